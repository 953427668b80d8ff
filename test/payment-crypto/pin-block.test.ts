import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hexOf } from '../../src/payment-crypto/hex.ts';
import { ClearPin } from '../../src/payment-crypto/pin-block/clear-pin.ts';
import { decipherPin, encipherPin, type PinBlockFormat } from '../../src/payment-crypto/pin-block/encipherment.ts';
import { decodePinBlock, encodePinBlock, type ShortFormat } from '../../src/payment-crypto/pin-block/format0to3.ts';
import {
  decipherFormat4,
  encipherFormat4,
  format4PanField,
  format4PinField,
} from '../../src/payment-crypto/pin-block/format4.ts';
import { checkTranslation, TRANSLATION_RULES, translatePin } from '../../src/payment-crypto/pin-block/translation.ts';
import { accepted, bytes, hex, key, pan, pin, pinDigits, reasonOf, seededRandom } from './support.ts';

const AES = key('AES', 'AF8CB133A78F8DC2D1359F18527593FB');
const OTHER_AES = key('AES', 'D30BDC73EC9714B000BEC66BDB7B6D09');
const TDES = key('TDES', '042666B49184CFA368DE9628D0397BC9');
const PAN = pan('4111111111111111');

const digits = (least: number, most: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: least, maxLength: most }).map((list) => list.join(''));

describe('formats 0 to 3', () => {
  test.each([
    // X9.24-1:2009 A.4; ISO 9564-1
    [0, '1234', '4012345678909', '041274EDCBA9876F'],
    [0, '123456789012', '5555555551234567', '0C1261032D8226A9'],
    [2, '34567', undefined, '2534567FFFFFFFFF'],
  ] as const)('format %i of %s and %s', (format, digitsOfPin, account, expected) => {
    const number = account === undefined ? undefined : pan(account);
    const block = accepted(encodePinBlock(format, pin(digitsOfPin), number, seededRandom('fill')));
    expect(hex(block)).toBe(expected);
    expect(pinDigits(accepted(decodePinBlock(format, bytes(expected), number)))).toBe(digitsOfPin);
  });

  test.each<[ShortFormat, string, string | undefined, string]>([
    [1, '1512345EDCBA9876', undefined, '12345'],
    [3, '341261AAAAEDCBA9', '5555555551234567', '1234'],
    [3, '3C1261032D8226A9', '5555555551234567', '123456789012'],
  ])('format %i reads %s', (format, block, account, expected) => {
    const number = account === undefined ? undefined : pan(account);
    expect(pinDigits(accepted(decodePinBlock(format, bytes(block), number)))).toBe(expected);
  });

  test('formats 1 and 3 fill differently each time, format 3 with A to F only', () => {
    const random = seededRandom('fill');
    for (const format of [1, 3] as const) {
      const made = new Set(
        Array.from({ length: 20 }, () => hex(accepted(encodePinBlock(format, pin('1234'), PAN, random)))),
      );
      expect(made.size).toBe(20);
      if (format === 3) {
        const zeros = pan('0'.repeat(13));
        const clear = hex(accepted(encodePinBlock(3, pin('1234'), zeros, random)));
        expect(clear).toMatch(/^341234[A-F]{10}$/);
      }
    }
  });

  test('a random source that never gives a usable byte is an error, not an endless loop', () => {
    const stuck = { bytes: (length: number) => Buffer.alloc(length, 0xff) };
    expect(() => encodePinBlock(3, pin('1234'), PAN, stuck)).toThrow(/usable/);
  });

  test('any PIN and PAN come back', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<ShortFormat>(0, 1, 2, 3),
        digits(4, 12),
        digits(1, 19),
        fc.nat(),
        (format, digitsOfPin, account, seed) => {
          const block = encodePinBlock(format, pin(digitsOfPin), pan(account), seededRandom(`fill${seed}`));
          const back = accepted(block).use((clear) => decodePinBlock(format, clear, pan(account)));
          return back.ok && pinDigits(back.value) === digitsOfPin;
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  test.each<[string, ShortFormat, string]>([
    ['another format', 0, '141274EDCBA9876F'],
    ['a PIN of 3 digits', 2, '2312FFFFFFFFFFFF'],
    ['a PIN of 13 digits', 2, '2D1234567890123F'],
    ['a digit that is none', 2, '2412A4FFFFFFFFFF'],
    ['a fill that is none', 2, '241234FFFFFFFFF0'],
    ['too few bytes', 2, '241234FFFFFFFF'],
    ['too many bytes', 2, '241234FFFFFFFFFFFF'],
  ])('%s is one and the same refusal', (_name, format, block) => {
    const refused = decodePinBlock(format, bytes(block), pan('4012345678909'));
    expect(refused).toEqual({ ok: false, reason: 'PIN_BLOCK_INVALID' });
  });

  test('formats that bind the PAN ask for it, and refuse another', () => {
    for (const format of [0, 3] as const) {
      expect(reasonOf(encodePinBlock(format, pin('1234'), undefined, seededRandom('x')))).toBe('PAN_REQUIRED');
      expect(reasonOf(decodePinBlock(format, bytes('041274EDCBA9876F'), undefined))).toBe('PAN_REQUIRED');
    }
    expect(reasonOf(decodePinBlock(0, bytes('041274EDCBA9876F'), pan('4012345678917')))).toBe('PIN_BLOCK_INVALID');
  });

  test('any bytes are read or refused', () => {
    fc.assert(
      fc.property(fc.constantFrom<ShortFormat>(0, 1, 2, 3), fc.uint8Array({ maxLength: 10 }), (format, block) => {
        const read = decodePinBlock(format, block, PAN);
        return read.ok ? read.value.length >= 4 && read.value.length <= 12 : read.reason === 'PIN_BLOCK_INVALID';
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
});

describe('format 4', () => {
  // ANSI X9.24-3:2017 supplement
  test('is that of the standard', () => {
    const random = { bytes: () => bytes('2F69ADDE2E9E7ACE') };
    expect(hexOf(format4PinField(pin('1234'), bytes('2F69ADDE2E9E7ACE')))).toBe('441234AAAAAAAAAA2F69ADDE2E9E7ACE');
    const block = accepted(encipherFormat4(AES, pin('1234'), PAN, random));
    expect(hexOf(block)).toBe('A912150391AB65A67E52883D81CE2D15');
    expect(pinDigits(accepted(decipherFormat4(AES, block, PAN)))).toBe('1234');
  });

  test.each([
    ['4111111111111111', '44111111111111111000000000000000'],
    ['411111111111111', '34111111111111110000000000000000'],
    ['123456789', '00001234567890000000000000000000'],
    ['112233445566778899', '61122334455667788990000000000000'],
    ['1234567890123456789', '71234567890123456789000000000000'],
  ])('the PAN field of %s', (account, expected) => {
    expect(hexOf(format4PanField(pan(account)))).toBe(expected);
  });

  test('any PIN and PAN come back, and never under another key or PAN', () => {
    fc.assert(
      fc.property(digits(4, 12), digits(8, 19), digits(8, 19), fc.nat(), (digitsOfPin, account, other, seed) => {
        const block = accepted(encipherFormat4(AES, pin(digitsOfPin), pan(account), seededRandom(`r${seed}`)));
        const back = decipherFormat4(AES, block, pan(account));
        const same = hexOf(format4PanField(pan(account))) === hexOf(format4PanField(pan(other)));
        return (
          back.ok &&
          pinDigits(back.value) === digitsOfPin &&
          (same || !decipherFormat4(AES, block, pan(other)).ok) &&
          !decipherFormat4(OTHER_AES, block, pan(account)).ok
        );
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test('every changed bit is refused in the same words', () => {
    const block = accepted(encipherFormat4(AES, pin('1234'), PAN, seededRandom('r')));
    for (let bit = 0; bit < 128; bit++) {
      const changed = Buffer.from(block);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decipherFormat4(AES, changed, PAN)).toEqual({ ok: false, reason: 'PIN_BLOCK_INVALID' });
    }
  });

  test('wants an AES key and 16 bytes', () => {
    expect(reasonOf(encipherFormat4(TDES, pin('1234'), PAN, seededRandom('r')))).toBe('KEY_ALGORITHM');
    expect(reasonOf(decipherFormat4(TDES, new Uint8Array(16), PAN))).toBe('KEY_ALGORITHM');
    expect(reasonOf(decipherFormat4(AES, new Uint8Array(8), PAN))).toBe('PIN_BLOCK_INVALID');
  });
});

describe('enciphered blocks', () => {
  test('formats 0, 1 and 3 come back under a TDEA key', () => {
    for (const format of [0, 1, 3] as const) {
      const end = { format, key: TDES, pan: PAN };
      const block = accepted(encipherPin(end, pin('90817'), seededRandom('r')));
      expect(pinDigits(accepted(decipherPin(end, block)))).toBe('90817');
    }
  });

  test.each<[string, PinBlockFormat, 'AES' | 'TDES', boolean, string]>([
    ['format 2 is for chips', 2, 'TDES', true, 'PIN_BLOCK_FORMAT'],
    ['format 0 wants TDEA', 0, 'AES', true, 'KEY_ALGORITHM'],
    ['format 4 wants AES', 4, 'TDES', true, 'KEY_ALGORITHM'],
    ['format 4 wants a PAN', 4, 'AES', false, 'PAN_REQUIRED'],
    ['format 0 wants a PAN', 0, 'TDES', false, 'PAN_REQUIRED'],
  ])('%s', (_name, format, algorithm, withPan, reason) => {
    const end = { format, key: algorithm === 'AES' ? AES : TDES, ...(withPan ? { pan: PAN } : {}) };
    expect(reasonOf(encipherPin(end, pin('1234'), seededRandom('r')))).toBe(reason);
    expect(reasonOf(decipherPin(end, new Uint8Array(format === 4 ? 16 : 8)))).toBe(reason);
  });

  test('a block of another size is refused', () => {
    expect(reasonOf(decipherPin({ format: 0, key: TDES, pan: PAN }, new Uint8Array(16)))).toBe('PIN_BLOCK_INVALID');
  });
});

describe('translation (PCI PIN 3-3)', () => {
  const formats: PinBlockFormat[] = [0, 1, 2, 3, 4];
  const online = new Map([
    ['0', '034'],
    ['1', '0134'],
    ['2', ''],
    ['3', '034'],
    ['4', '034'],
  ]);

  test.each(formats.flatMap((from) => formats.map((to) => [from, to] as const)))('%i to %i', (from, to) => {
    const allowed = online.get(String(from))?.includes(String(to)) ?? false;
    const result = checkTranslation({ format: from, pan: PAN }, { format: to, pan: pan('4111111111111111') });
    expect(result.ok).toBe(allowed);
    const bound = from !== 1 && allowed;
    expect(TRANSLATION_RULES[from][to] === 'same PAN').toBe(bound);
    const other = checkTranslation({ format: from, pan: PAN }, { format: to, pan: pan('4111111111111129') });
    expect(other.ok).toBe(allowed && !bound);
    expect(checkTranslation({ format: from }, { format: to }).ok).toBe(allowed && !bound);
  });

  test('a format 4 block comes out under the zone key in format 4 or 0', () => {
    const block = accepted(encipherFormat4(AES, pin('271828'), PAN, seededRandom('r')));
    const from = { format: 4, key: AES, pan: PAN } as const;
    for (const to of [{ format: 4, key: OTHER_AES, pan: PAN } as const, { format: 0, key: TDES, pan: PAN } as const]) {
      const translated = accepted(translatePin(block, from, to, seededRandom('t')));
      expect(pinDigits(accepted(decipherPin(to, translated)))).toBe('271828');
    }
  });

  test('a forbidden translation deciphers nothing', () => {
    const from = { format: 4, key: AES, pan: PAN } as const;
    const to = { format: 1, key: TDES } as const;
    expect(reasonOf(translatePin(new Uint8Array(16), from, to, seededRandom('t')))).toBe('PIN_TRANSLATION_FORBIDDEN');
  });

  test('a block that does not open is refused as such', () => {
    const end = { format: 4, key: AES, pan: PAN } as const;
    expect(reasonOf(translatePin(new Uint8Array(16), end, end, seededRandom('t')))).toBe('PIN_BLOCK_INVALID');
  });
});

test('digits that no decoder could have found are a bug', () => {
  expect(() => ClearPin.ofDigits(Uint8Array.of(1, 2, 3, 10))).toThrow(RangeError);
  expect(() => ClearPin.ofDigits(Uint8Array.of(1, 2, 3))).toThrow(RangeError);
});
