import { describe, expect, test } from '@jest/globals';
import { ClearPin } from '../../src/payment-crypto/pin-block/clear-pin.ts';
import { encodePinBlock } from '../../src/payment-crypto/pin-block/format0to3.ts';
import { format4PinField } from '../../src/payment-crypto/pin-block/format4.ts';
import { nibbleAt, nibblesOf } from '../../src/payment-crypto/pin-block/nibbles.ts';
import { checkTranslation, TRANSLATION_RULES } from '../../src/payment-crypto/pin-block/translation.ts';
import type { Random } from '../../src/ports/random.ts';
import { hex, pan, pin, reasonOf } from './support.ts';

const FORMATS = [0, 1, 2, 3, 4] as const;

describe('a clear PIN of digits that a decoder has checked', () => {
  test.each([
    [3, false],
    [4, true],
    [12, true],
    [13, false],
  ])('has %d of them: %p', (length, sound) => {
    const make = () => ClearPin.ofDigits(new Uint8Array(length).fill(9));
    if (sound) expect(make().length).toBe(length);
    else expect(make).toThrow(RangeError);
  });

  test.each([10, 15, 255])('has no digit %d', (digit) => {
    expect(() => ClearPin.ofDigits(Uint8Array.of(1, 2, 3, digit))).toThrow(RangeError);
  });
});

test('nibbles come high one first', () => {
  expect([...nibblesOf(Uint8Array.of(0x12, 0xf0, 0x0e))]).toEqual([1, 2, 15, 0, 0, 14]);
  expect(nibblesOf(new Uint8Array(0))).toHaveLength(0);
  expect([0, 1, 2, 3, 4].map((at) => nibbleAt(Uint8Array.of(0x12, 0xf0), at))).toEqual([1, 2, 15, 0, 0]);
});

test('formats 0 and 2 take nothing from the random source', () => {
  const none: Random = {
    bytes: () => {
      throw new Error('asked');
    },
  };
  for (const format of [0, 2] as const)
    expect(reasonOf(encodePinBlock(format, pin('1234'), pan('4111111111111111'), none))).toBe('accepted');
  for (const format of [1, 3] as const)
    expect(() => encodePinBlock(format, pin('1234'), pan('4111111111111111'), none)).toThrow('asked');
});

test('format 4 takes eight random bytes', () => {
  const random = Uint8Array.from({ length: 16 }, (_, at) => 0xf0 + at);
  expect(Buffer.from(format4PinField(pin('123456'), random)).toString('hex')).toBe('46123456aaaaaaaaf0f1f2f3f4f5f6f7');
});

describe('translation', () => {
  // PCI PIN security requirements 3-3.
  test('follows the table', () => {
    const bound = ['same PAN', 'forbidden', 'to a chip', 'same PAN', 'same PAN'];
    const table = [
      bound,
      ['allowed', 'allowed', 'to a chip', 'allowed', 'allowed'],
      ['forbidden', 'forbidden', 'to a chip', 'forbidden', 'forbidden'],
      bound,
      bound,
    ];
    expect(FORMATS.map((from) => FORMATS.map((to) => TRANSLATION_RULES[from][to]))).toEqual(table);
  });

  test('to the same PAN needs it on both sides', () => {
    const [one, other] = [pan('4111111111111111'), pan('5555555555554444')];
    const checked = (from?: typeof one, to?: typeof one) =>
      reasonOf(checkTranslation({ format: 0, ...(from && { pan: from }) }, { format: 4, ...(to && { pan: to }) }));
    expect(checked(one, pan('4111111111111111'))).toBe('accepted');
    for (const [from, to] of [[one, other], [one], [undefined, one], []])
      expect(checked(from, to)).toBe('PIN_TRANSLATION_FORBIDDEN');
  });

  test('never ends in a format for chips, nor begins there', () => {
    const same = pan('4111111111111111');
    for (const format of FORMATS) {
      for (const [from, to] of [[format, 2] as const, [2, format] as const])
        expect(reasonOf(checkTranslation({ format: from, pan: same }, { format: to, pan: same }))).toBe(
          'PIN_TRANSLATION_FORBIDDEN',
        );
    }
  });
});

test('a PIN is held by its digits', () => {
  expect(hex(pin('123456789012'))).toBe('010203040506070809000102');
});
