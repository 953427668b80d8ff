import { PIN_DIGITS } from '../../payment-crypto/pin-block/clear-pin.ts';

/** True for a range of PIN lengths within ISO 9564-1: 4 to 12 digits. */
export function pinLengthsAllowed(minimum: number, maximum: number): boolean {
  return minimum >= PIN_DIGITS.least && minimum <= maximum && maximum <= PIN_DIGITS.most;
}
