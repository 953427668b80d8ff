import { compareWithTerms, readIccData } from '../../../src/emv/icc.ts';
import { readTlv, type TlvElement, tlv } from '../../../src/encoding/tlv.ts';
import type { TransactionTerms, TransactionType } from '../../../src/sessions/transaction.ts';
import { encodeIcc, iccElements } from '../../support/icc.ts';
import { flatten, readElements } from '../engine/elements.ts';
import { invariant, type Reader, type Target } from './target.ts';

const LIMITS = { maximumBytes: 2048, maximumDepth: 4, maximumElements: 128 };

const TERMS: TransactionTerms = { type: 'sale', amountMinor: 1250n, currency: 978, merchant: 'shop', order: 'order-1' };
const TYPES: readonly TransactionType[] = ['sale', 'refund', 'void', 'zero-amount'];

const tap = (terms: Partial<TransactionTerms> = {}): Buffer => encodeIcc(iccElements({ ...TERMS, ...terms }));

const TOKENS: readonly Uint8Array[] = [
  ...['5700', '5a00', '5f2000', '5f2400', '9900', '9f0b00', '9f1f00', '9f2000', '9f6b00', '5600'],
  ...[
    '82021980',
    '8400',
    '950500000000',
    '9a03260301',
    '9c0100',
    '5f2a020978',
    '9f0206000000001250',
    '9f1000',
    '9f1a020276',
  ],
  ...[
    '9f2600',
    '9f2701',
    '9f3602',
    '9f37045a5a5a5a',
    '7000',
    '7700',
    'e100',
    'a500',
    'bf0c00',
    '8180',
    '8200ff',
    '82ffff',
    '80',
  ],
  ...['9f8181', 'dfffff7f', '1f', '00', 'ff', '5f8101', '83', '84ffffffff'],
].map((hex) => Buffer.from(hex, 'hex'));

/** Elements written anew, with lengths as short as they can be. */
function encode(elements: readonly TlvElement[]): Buffer {
  return Buffer.concat(
    elements.map(({ tag, value, children }) => tlv(tag, children.length > 0 ? encode(children) : value)),
  );
}

/** The shape of a tree: tags and primitive values, without the form of lengths. */
function shape(elements: readonly TlvElement[]): string {
  return elements
    .map(({ tag, value, children }) => {
      const inner = children.length > 0 ? `(${shape(children)})` : Buffer.from(value).toString('hex');
      return `${tag}:${inner}`;
    })
    .join(' ');
}

const tlvReader: Reader = {
  name: 'tlv',
  weight: 1,
  maximumBytes: 2100,
  seeds: [tap(), tlv('70', Buffer.concat([tap(), tlv('E1', tlv('DF8101', Buffer.alloc(200)))])), Buffer.alloc(0)],
  tokens: TOKENS,
  elements: true,
  read: (input) => {
    const elements = readTlv(input, LIMITS);
    if (!elements.ok) return false;
    const again = readTlv(encode(elements.value), LIMITS);
    invariant(again.ok, 'what was read is not read again once it is written');
    invariant(
      shape(again.value) === shape(elements.value),
      `what was read says something else: ${shape(elements.value)}`,
    );
    return true;
  },
};

const FORBIDDEN = new Set(['56', '57', '5A', '5F20', '5F24', '99', '9F0B', '9F1F', '9F20', '9F6B']);

const iccReader: Reader = {
  name: 'icc',
  weight: 2,
  maximumBytes: 2100,
  seeds: TYPES.map((type) => tap({ type })),
  tokens: TOKENS,
  elements: true,
  read: (input) => {
    const icc = readIccData(input);
    if (!icc.ok) return false;
    const clear = [...icc.value.keys()].find((tag) => FORBIDDEN.has(tag));
    invariant(clear === undefined, `account data in clear: ${clear}`);
    for (const type of TYPES) {
      const agrees = compareWithTerms(icc.value, { ...TERMS, type }).ok;
      const amount = Buffer.from(icc.value.get('9F02') ?? []).toString('hex');
      invariant(!agrees || amount === '000000001250', `another amount passes for the one that was agreed: ${amount}`);
    }
    return true;
  },
  // The reader's own tree says nothing of what it may have passed over.
  examine: (input) => {
    const elements = readElements(input);
    const tags =
      elements === null ? [] : flatten(elements).map(({ tag }) => Buffer.from(tag).toString('hex').toUpperCase());
    const constructed = (elements ?? []).some(({ tag }) => ((tag[0] ?? 0) & 0x20) !== 0);
    const clear = constructed ? undefined : tags.find((tag) => FORBIDDEN.has(tag));
    invariant(clear === undefined || hasOctetString(elements ?? []), `account data in clear: ${clear}`);
  },
};

/** Tag 04 is an octet string to `readElements`, and may hold what looks like elements. */
function hasOctetString(elements: NonNullable<ReturnType<typeof readElements>>): boolean {
  return elements.some(({ tag }) => tag[0] === 0x04);
}

/** What a contactless kernel says of a tap. */
export const TLV: Target = { prepare: async () => '', open: () => [tlvReader, iccReader] };
