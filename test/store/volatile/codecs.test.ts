import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PendingOffer } from '../../../src/injection/exchange.ts';
import type { HeldPinBlock } from '../../../src/pin/store.ts';
import { type Codec, MAXIMUM_ENCODED_BYTES } from '../../../src/store/volatile/codec.ts';
import { challengeCodec, injectionNonceCodec, offerCodec, pinBlockCodec } from '../../../src/store/volatile/codecs.ts';

const SEED = { seed: 20260301, numRuns: 200 };

const bytes = (minLength: number, maxLength = minLength) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
const thumbprint = bytes(32).map((digest) => digest.toString('base64url'));
const instant = fc.date({ min: new Date('2026-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });

const challenge = bytes(32).map((digest) => digest.toString('hex'));
const offer: fc.Arbitrary<PendingOffer> = fc.record({
  thumbprint,
  payload: bytes(1, 4096),
});
const pinBlock: fc.Arbitrary<HeldPinBlock> = fc.record({
  grantId: fc.uuid(),
  pinGrantId: fc.uuid(),
  hash: bytes(32),
  block: bytes(16),
  accountDataHash: bytes(32),
  heldUntil: instant,
});

/** A codec and the values that it is for, where the values' type no longer matters. */
interface Case {
  readonly values: fc.Arbitrary<unknown>;
  readonly encode: (value: never) => Buffer;
  readonly decode: Codec<unknown>['decode'];
}

const caseOf = <V>(codec: Codec<V>, values: fc.Arbitrary<V>): Case => ({ ...codec, values });

const CASES: [string, Case][] = [
  ['a challenge', caseOf(challengeCodec, challenge)],
  ['the thumbprint of an injection nonce', caseOf(injectionNonceCodec, thumbprint)],
  ['an offer', caseOf(offerCodec, offer)],
  ['a PIN block', caseOf(pinBlockCodec, pinBlock)],
];

describe.each(CASES)('the codec of %s', (_name, { values, encode, decode }) => {
  const encoded = values.map((value) => encode(value as never));

  test('reads what it wrote', () => {
    fc.assert(
      fc.property(values, (value) => expect(decode(encode(value as never))).toEqual(value)),
      SEED,
    );
  });

  test('writes within its bound', () => {
    fc.assert(
      fc.property(encoded, (written) => written.length <= MAXIMUM_ENCODED_BYTES),
      SEED,
    );
  });

  test('reads nothing that was cut short or goes on', () => {
    const cut = fc.tuple(encoded, fc.nat()).map(([written, at]) => written.subarray(0, at % written.length));
    fc.assert(
      fc.property(cut, (written) => decode(written) === null),
      SEED,
    );
    fc.assert(
      fc.property(encoded, (written) => decode(Buffer.concat([written, Buffer.from('{}')])) === null),
      SEED,
    );
  });

  test('takes any bytes for a value of its own, or for none', () => {
    const changed = fc.tuple(encoded, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([written, at, by]) => {
      const copy = Buffer.from(written);
      copy[at % copy.length]! ^= by;
      return copy;
    });
    fc.assert(
      fc.property(fc.oneof(changed, bytes(0, 64), fc.json().map(Buffer.from)), (written) => {
        const value = decode(written);
        if (value !== null) expect(decode(encode(value as never))).toEqual(value);
      }),
      SEED,
    );
  });

  test('reads nothing over its bound', () => {
    const [written] = fc.sample(encoded, { seed: 1, numRuns: 1 });
    const padding = (length: number) => Buffer.alloc(length - written!.length, ' ');
    expect(decode(Buffer.concat([written!, padding(MAXIMUM_ENCODED_BYTES)]))).not.toBeNull();
    expect(decode(Buffer.concat([written!, padding(MAXIMUM_ENCODED_BYTES + 1)]))).toBeNull();
  });
});

/** A written value, parsed, so that a test can change it. */
function written<V>(codec: Codec<V>, values: fc.Arbitrary<V>): Record<string, unknown> {
  const [value] = fc.sample(values, { seed: 7, numRuns: 1 });
  return JSON.parse(codec.encode(value!).toString()) as Record<string, unknown>;
}

const read = <V>(codec: Codec<V>, value: unknown): V | null => codec.decode(Buffer.from(JSON.stringify(value)));
const base64 = (length: number): string => Buffer.alloc(length, 7).toString('base64');

describe('what does not fit is absent', () => {
  const block = written(pinBlockCodec, pinBlock);
  test.each<[string, Record<string, unknown>]>([
    ['a further field', { clearPin: '1234' }],
    ['no grant', { grantId: undefined }],
    ['a grant that is no text', { grantId: 17 }],
    ['a block of format 0', { block: base64(8) }],
    ['a block of 17 bytes', { block: base64(17) }],
    ['a block that is not base64', { block: '!'.repeat(24) }],
    ['a hash of 31 bytes', { hash: base64(31) }],
    ['an instant as text', { heldUntil: '2026-03-01T12:00:00Z' }],
    ['an instant that no date reaches', { heldUntil: 9e15 }],
    ['an instant before 1970', { heldUntil: -1 }],
  ])('a PIN block with %s', (_name, change) => {
    expect(read(pinBlockCodec, block)).not.toBeNull();
    expect(read(pinBlockCodec, { ...block, ...change })).toBeNull();
  });

  test.each([null, 17, {}, '', 'a'.repeat(63), 'a'.repeat(65), 'A'.repeat(64), 'g'.repeat(64)])(
    'a hash %j',
    (value) => {
      expect(read(challengeCodec, 'a'.repeat(64))).not.toBeNull();
      expect(read(challengeCodec, value)).toBeNull();
    },
  );

  test.each([null, 17, [], {}, '', 'x'.repeat(42), 'x'.repeat(44), '+'.repeat(43)])('a thumbprint %j', (value) => {
    expect(read(injectionNonceCodec, 'x'.repeat(43))).not.toBeNull();
    expect(read(injectionNonceCodec, value)).toBeNull();
  });

  test('text that is not UTF-8', () => {
    const [value] = fc.sample(pinBlock, { seed: 7, numRuns: 1 });
    const text = pinBlockCodec.encode({ ...value!, grantId: 'grant' }).toString('latin1');
    expect(pinBlockCodec.decode(Buffer.from(text.replace('grant"', '\xff"'), 'latin1'))).toBeNull();
  });
});

describe('what does not fit is not written', () => {
  test('and the error does not show it', () => {
    const [value] = fc.sample(pinBlock, { seed: 7, numRuns: 1 });
    const held = { ...value!, block: Buffer.from('secret-seventeen.') };
    let shown = '';
    try {
      pinBlockCodec.encode(held);
    } catch (error) {
      shown = inspect(error, { depth: null });
    }
    expect(shown).not.toBe('');
    expect(shown).not.toMatch(/secret|7365 ?6372|c2VjcmV0/);
  });

  test('also where a field too many came with it', () => {
    const [value] = fc.sample(pinBlock, { seed: 7, numRuns: 1 });
    expect(() => pinBlockCodec.encode(Object.assign({}, value!, { clearPin: '1234' }))).toThrow();
  });
});
