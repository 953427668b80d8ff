import { describe, expect, test } from '@jest/globals';
import { tlv } from '../../src/encoding/tlv.ts';
import { derInteger, derOctetString, derSequence } from '../../src/virtual/keymint/der.ts';
import { elementBytes, flatten, readElements, writeElements } from './engine/elements.ts';
import { Mutator, Parent } from './engine/mutator.ts';
import { SeededNumbers } from './engine/random.ts';

const nested = derSequence(derInteger(5), derSequence(derOctetString(derSequence(derInteger(300))), derInteger(1)));

describe('elements', () => {
  test.each([
    ['DER', nested],
    [
      'DER with lengths of one, two and three bytes',
      derSequence(derOctetString(Buffer.alloc(200)), derOctetString(Buffer.alloc(70_000))),
    ],
    ['BER-TLV', Buffer.concat([tlv('9F02', Buffer.alloc(6)), tlv('70', tlv('5F2A', Buffer.alloc(2)))])],
  ])('of %s are written as they were read', (_, bytes) => {
    const elements = readElements(bytes);
    const space = new Uint8Array(bytes.length + 10);
    expect(Buffer.from(space.subarray(writeElements(elements ?? [], space)))).toEqual(bytes);
  });

  test('mend the lengths around what takes the place of one of them', () => {
    const elements = readElements(nested) ?? [];
    const target = flatten(elements).at(-1)!;
    const by = [elementBytes(Uint8Array.of(0x02), Buffer.alloc(300, 0xff))];
    const space = new Uint8Array(1000);
    const written = space.subarray(writeElements(elements, space, { of: target, by }));
    expect(flatten(readElements(written) ?? [])).toHaveLength(flatten(elements).length);
    expect(written.length).toBe(nested.length + 304 - 3 + 4);
  });

  test('that do not fit are not written', () => {
    expect(writeElements(readElements(nested) ?? [], new Uint8Array(3))).toBeLessThan(0);
  });

  test.each(['30', '3005', '3080', '30840000', '1f', '02ff'])('are not seen in %s', (hex) => {
    expect(readElements(Buffer.from(hex, 'hex'))).toBeNull();
  });
});

describe('mutations', () => {
  const material = { tokens: [Buffer.from('0500', 'hex')], elements: true, maximumBytes: 40 };

  const mutated = (seed: number, times: number): string[] => {
    const mutator = new Mutator(new SeededNumbers(seed), 64, [0x2a]);
    const parents = [new Parent(nested), new Parent(new Uint8Array(0))];
    return Array.from({ length: times }, (_, index) => {
      const input = mutator.mutate(parents[index % 2]!, parents[(index + 1) % 2]!, material);
      return Buffer.from(input).toString('hex');
    });
  };

  test('are fixed by their seed', () => {
    expect(mutated(1, 500)).toEqual(mutated(1, 500));
    expect(mutated(1, 500)).not.toEqual(mutated(2, 500));
  });

  test('keep to the greatest length', () => {
    const lengths = mutated(3, 20_000).map((hex) => hex.length / 2);
    expect(Math.max(...lengths)).toBe(40);
  });

  test('reach inputs that are elements still, and others', () => {
    const all = mutated(4, 2000).map((hex) => readElements(Buffer.from(hex, 'hex')));
    expect(all.filter((elements) => elements !== null && elements.length > 0).length).toBeGreaterThan(200);
    expect(all.filter((elements) => elements === null).length).toBeGreaterThan(200);
  });

  test('leave their parents as they were', () => {
    const before = nested.toString('hex');
    mutated(5, 5000);
    expect(nested.toString('hex')).toBe(before);
  });
});
