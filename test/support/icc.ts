import { tlv } from '../../src/encoding/tlv.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';

const TYPES = { sale: '00', refund: '20', void: '02', 'zero-amount': '00' } as const;

/** The ICC data of a Mastercard tap on 1 March 2026 for these terms, by tag in hex, without a PIN; a test bends the map and encodes it. */
export function iccElements(terms: TransactionTerms): Map<string, string> {
  return new Map([
    ['82', '1980'],
    ['84', 'a0000000041010'],
    ['95', '0000008000'],
    ['9A', '260301'],
    ['9C', TYPES[terms.type]],
    ['5F2A', terms.currency.toString().padStart(4, '0')],
    ['9F02', terms.amountMinor.toString().padStart(12, '0')],
    ['9F03', '000000000000'],
    ['9F10', '0110a00003220000'],
    ['9F1A', '0276'],
    ['9F26', '1122334455667788'],
    ['9F27', '80'],
    ['9F33', '004808'],
    ['9F34', '1f0302'],
    ['9F36', '0102'],
    ['9F37', '5a5a5a5a'],
  ]);
}

/** The same of a tap at which card and kernel ask for an online PIN. */
export function iccWithPin(terms: TransactionTerms): Map<string, string> {
  return iccElements(terms).set('9F34', '420300').set('95', '0000048000');
}

/** Encodes elements in their order. */
export const encodeIcc = (elements: ReadonlyMap<string, string>): Buffer =>
  Buffer.concat([...elements].map(([tag, value]) => tlv(tag, Buffer.from(value, 'hex'))));
