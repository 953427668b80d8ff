import type { Scheme } from '../../emv/scheme.ts';

/** Payment schemes of the virtual cards: all that the gate takes. */
export type CardScheme = Scheme;

/** A card account as its issuer knows it. Plain values, of test cards only. */
export interface VirtualAccount {
  readonly scheme: CardScheme;
  /** 13 to 19 digits with their check digit. */
  readonly pan: string;
  /** YYMM: valid to the end of that month. */
  readonly expiry: string;
  /** PAN sequence number, 0 to 99. */
  readonly sequenceNumber: number;
  /** 4 to 12 digits. */
  readonly pin: string;
}

/** The schemes' published test numbers. */
export const TEST_ACCOUNTS: Readonly<Record<CardScheme, VirtualAccount>> = {
  visa: { scheme: 'visa', pan: '4111111111111111', expiry: '4912', sequenceNumber: 1, pin: '1234' },
  mastercard: { scheme: 'mastercard', pan: '5555555555554444', expiry: '4912', sequenceNumber: 1, pin: '2345' },
  'american-express': {
    scheme: 'american-express',
    pan: '378282246310005',
    expiry: '4912',
    sequenceNumber: 0,
    pin: '4567',
  },
  jcb: { scheme: 'jcb', pan: '3530111333300000', expiry: '4912', sequenceNumber: 1, pin: '5678' },
  discover: { scheme: 'discover', pan: '6011111111111117', expiry: '4912', sequenceNumber: 1, pin: '6789' },
  unionpay: { scheme: 'unionpay', pan: '6200000000000005', expiry: '4912', sequenceNumber: 1, pin: '789012' },
  mir: { scheme: 'mir', pan: '2200000000000004', expiry: '4912', sequenceNumber: 1, pin: '3456' },
};

function checkDigitHolds(pan: string): boolean {
  let sum = 0;
  for (let at = 0; at < pan.length; at += 1) {
    const digit = Number(pan[pan.length - 1 - at]);
    const doubled = at % 2 === 0 ? digit : digit * 2;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** What is wrong with an account (the field's name), or null. ISO/IEC 7812-1 (check digit), ISO 9564-1 (PIN length). */
export function accountDefect({ pan, expiry, sequenceNumber, pin }: VirtualAccount): string | null {
  if (!/^\d{13,19}$/.test(pan) || !checkDigitHolds(pan)) return 'pan';
  if (!/^\d{2}(0[1-9]|1[0-2])$/.test(expiry)) return 'expiry';
  if (!Number.isInteger(sequenceNumber) || sequenceNumber < 0 || sequenceNumber > 99) return 'sequenceNumber';
  return /^\d{4,12}$/.test(pin) ? null : 'pin';
}

/** The last day of an expiry YYMM, as YYMMDD. */
export function expiryDay(expiry: string): string {
  const lastDay = new Date(Date.UTC(2000 + Number(expiry.slice(0, 2)), Number(expiry.slice(2)), 0));
  return `${expiry}${lastDay.getUTCDate().toString().padStart(2, '0')}`;
}
