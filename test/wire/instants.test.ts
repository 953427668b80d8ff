import { describe, expect, test } from '@jest/globals';
import { decodePinGrant, encodePinGrant } from '../../src/wire/pin.ts';
import { decodeGrant, encodeGrant } from '../../src/wire/transaction.ts';
import { GRANT_VALUE, PIN_GRANT_VALUE } from '../fuzz/targets/wire/seeds.ts';

/** Protobuf: a Timestamp of these seconds as the field of that number. */
function timestampField(number: number, seconds: bigint): Buffer {
  const varint: number[] = [];
  let rest = seconds;
  for (; rest > 0x7fn; rest >>= 7n) varint.push(Number(rest & 0x7fn) | 0x80);
  varint.push(Number(rest));
  return Buffer.of((number << 3) | 2, varint.length + 1, 0x08, ...varint);
}

/** The last second that a Date holds, and the next one. */
const LAST = 8_640_000_000_000n;
const BEYOND = LAST + 1n;

const GRANT = encodeGrant(GRANT_VALUE);
const PIN_GRANT = encodePinGrant(PIN_GRANT_VALUE);

describe('a time that no Date holds', () => {
  test.each([
    ['issued_at', 12],
    ['expires_at', 13],
  ])('as %s of a grant is refused: it would never be over', (field, number) => {
    const decoded = decodeGrant(Buffer.concat([GRANT, timestampField(number, BEYOND)]));
    expect(decoded).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail: field });
    expect(decodeGrant(Buffer.concat([GRANT, timestampField(number, LAST)])).ok).toBe(true);
  });

  test('as expiry of a PIN grant is refused', () => {
    const decoded = decodePinGrant(Buffer.concat([PIN_GRANT, timestampField(10, BEYOND)]));
    expect(decoded).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail: 'expires_at' });
    expect(decodePinGrant(Buffer.concat([PIN_GRANT, timestampField(10, LAST)])).ok).toBe(true);
  });
});
