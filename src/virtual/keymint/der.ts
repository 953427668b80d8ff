const CONTEXT_CONSTRUCTED = 0xa0;
const HIGH_TAG = 0x1f;

/** Base-128 digits of a number, the most significant first (X.690 8.1.2.4). */
function base128(number: number): number[] {
  const digits = [number % 128];
  for (let left = Math.floor(number / 128); left > 0; left = Math.floor(left / 128)) digits.unshift((left % 128) + 128);
  return digits;
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const digits: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) digits.unshift(left % 256);
  return [0x80 + digits.length, ...digits];
}

function element(tag: readonly number[], ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([...tag, ...lengthOctets(body.length)]), body]);
}

function integerContent(value: bigint | number): Buffer {
  const digits = BigInt(value).toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  return (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.from([0]), bytes]);
}

/** SEQUENCE of encoded elements. */
export const derSequence = (...elements: readonly Uint8Array[]): Buffer => element([0x30], ...elements);

/** SET OF encoded elements, in the order that DER asks for (X.690 11.6). */
export const derSetOf = (elements: readonly Uint8Array[]): Buffer =>
  element([0x31], ...[...elements].sort((a, b) => Buffer.compare(a, b)));

/** Non-negative INTEGER. */
export const derInteger = (value: bigint | number): Buffer => element([0x02], integerContent(value));

/** Non-negative ENUMERATED. */
export const derEnumerated = (value: number): Buffer => element([0x0a], integerContent(value));

/** BOOLEAN: TRUE is 0xFF (X.690 11.1). */
export const derBoolean = (value: boolean): Buffer => element([0x01], Buffer.from([value ? 0xff : 0x00]));

/** OCTET STRING. */
export const derOctetString = (bytes: Uint8Array): Buffer => element([0x04], bytes);

/** NULL. */
export const derNull = (): Buffer => element([0x05]);

/** `[number] EXPLICIT`; numbers from 31 on take the multi-byte form (X.690 8.1.2.4). */
export const derExplicit = (number: number, inner: Uint8Array): Buffer =>
  number < HIGH_TAG
    ? element([CONTEXT_CONSTRUCTED + number], inner)
    : element([CONTEXT_CONSTRUCTED + HIGH_TAG, ...base128(number)], inner);
