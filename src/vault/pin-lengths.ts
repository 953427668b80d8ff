/** Bounds of a PIN's length, in digits. */
export interface PinLengths {
  readonly minimum: number;
  readonly maximum: number;
}

/** All of ISO 9564-1. The service's process reads bounds too, so they are not taken from where PINs are worked with. */
const ISO_9564: PinLengths = { minimum: 4, maximum: 12 };

/**
 * Bounds that PIN grants may state where nothing else is configured: all of ISO 9564-1, 4 to 12. A block of either answer
 * is then in them or no PIN block at all: nothing of a length can be learned by asking.
 */
export const DEFAULT_PIN_LENGTHS: readonly PinLengths[] = [ISO_9564];

/** Pairs of bounds that a vault is given at most: each two that differ tell a part of a length apart. */
export const MOST_PIN_LENGTHS = 4;

/** True for bounds that are one of the permitted pairs. */
export function arePermitted(
  minimum: number,
  maximum: number,
  permitted: readonly PinLengths[] = DEFAULT_PIN_LENGTHS,
): boolean {
  return permitted.some((lengths) => lengths.minimum === minimum && lengths.maximum === maximum);
}

/** Bounds as text: `4-12`. */
export function formatPinLengths({ minimum, maximum }: PinLengths): string {
  return `${minimum}-${maximum}`;
}

/** Bounds out of text as `4-12`, within ISO 9564-1; null for anything else. */
export function parsePinLengths(text: string): PinLengths | null {
  const found = /^(\d{1,2})-(\d{1,2})$/.exec(text);
  const [minimum, maximum] = [Number(found?.[1]), Number(found?.[2])];
  const fits = minimum >= ISO_9564.minimum && minimum <= maximum && maximum <= ISO_9564.maximum;
  return fits ? { minimum, maximum } : null;
}
