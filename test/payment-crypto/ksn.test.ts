import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  AES_COUNTER,
  type CounterRule,
  isTransactionCounter,
  lowestOneBit,
  maximumCounter,
  nextCounter,
  oneBits,
  TDES_COUNTER,
  totalTransactions,
} from '../../src/payment-crypto/dukpt-counter.ts';
import { AesKsn, InitialKeyId, TdesKsn } from '../../src/payment-crypto/ksn.ts';
import { accepted, ikid, ksn, reasonOf, tdesKsn } from './support.ts';

describe('DUKPT counters', () => {
  // X9.24-3:2017 and X9.24-1:2009
  test('allow the numbers of transactions that the standards state', () => {
    expect(totalTransactions(AES_COUNTER)).toBe(2_448_023_842);
    expect(totalTransactions(TDES_COUNTER)).toBe(1_048_575);
    expect(maximumCounter(AES_COUNTER)).toBe(0xffff_0000);
    expect(maximumCounter(TDES_COUNTER)).toBe(0x1f_f800);
  });

  test.each([
    [0x0000_0001, 0x0000_0002],
    [0x0000_ffff, 0x0001_0000],
    [0x0001_fffe, 0x0002_0000],
    [0xfffe_8000, 0xffff_0000],
  ])('after %p comes %p', (from, to) => {
    expect(nextCounter(AES_COUNTER, from)).toBe(to);
  });

  test('end at their highest', () => {
    expect(nextCounter(AES_COUNTER, 0xffff_0000)).toBeUndefined();
    expect(nextCounter(TDES_COUNTER, 0x1f_f800)).toBeUndefined();
  });

  test('walk the whole of TDEA, each legal counter once', () => {
    let count = 0;
    let counter: number | undefined = 0;
    let last = -1;
    while (counter !== undefined) {
      if (counter <= last || (counter !== 0 && !isTransactionCounter(TDES_COUNTER, counter))) break;
      last = counter;
      counter = nextCounter(TDES_COUNTER, counter);
      if (counter !== undefined) count++;
    }
    expect(counter).toBeUndefined();
    expect(count).toBe(1_048_575);
  });

  test.each<[string, CounterRule]>([
    ['AES', AES_COUNTER],
    ['TDEA', TDES_COUNTER],
  ])('%s: the next counter is the next legal one', (_name, rule) => {
    const counter = fc.integer({ min: 0, max: maximumCounter(rule) - 1 }).filter((c) => oneBits(c) <= rule.maxOneBits);
    fc.assert(
      fc.property(counter, (from) => {
        const next = nextCounter(rule, from);
        if (next === undefined) return from === maximumCounter(rule);
        const skipped = next - from - 1;
        const probe = [from + 1, from + Math.ceil(skipped / 2), next - 1];
        return (
          isTransactionCounter(rule, next) &&
          probe.every((c) => c <= from || c >= next || !isTransactionCounter(rule, c))
        );
      }),
      { seed: 1 },
    );
  });

  test('refuse zero, fractions and what lies beyond', () => {
    for (const counter of [0, -1, 1.5, Number.NaN, 0x1_0000_0000, 0xffff_0001, 0x0001_ffff]) {
      expect(isTransactionCounter(AES_COUNTER, counter)).toBe(false);
    }
    expect(lowestOneBit(0x8000_0000)).toBe(0x8000_0000);
    expect(lowestOneBit(0)).toBe(0);
  });
});

describe('AesKsn', () => {
  test('reads IKID and counter, and writes the same', () => {
    const read = ksn('123456789012345600020001');
    expect(read.initialKeyId.toString()).toBe('1234567890123456');
    expect(read.initialKeyId.bdkId).toBe(0x12345678);
    expect(read.counter).toBe(0x20001);
    expect(read.toString()).toBe('123456789012345600020001');
    expect(accepted(AesKsn.parse(read.toBytes())).equals(read)).toBe(true);
  });

  test.each([
    ['', 'KSN_MALFORMED'],
    ['12345678901234560000000', 'KSN_MALFORMED'],
    ['1234567890123456000000011', 'KSN_MALFORMED'],
    ['12345678901234560000000G', 'KSN_MALFORMED'],
    ['123456789012345600000000', 'KSN_COUNTER'],
    // The supplement to X9.24-3 prints a key for this KSN, whose counter has 17 one-bits.
    ['12345678901234560001FFFF', 'KSN_COUNTER'],
    ['1234567890123456FFFFFFFF', 'KSN_COUNTER'],
  ])('%p is refused with %s', (text, reason) => {
    expect(reasonOf(AesKsn.parse(text))).toBe(reason);
  });

  test('counts to the end of the initial key', () => {
    expect(ksn('1234567890123456FFFE8000').next()?.toString()).toBe('1234567890123456FFFF0000');
    expect(ksn('1234567890123456FFFF0000').next()).toBeUndefined();
  });

  test('any bytes are read or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 16 }), (input) => {
        const aes = AesKsn.parse(input);
        const tdes = TdesKsn.parse(input);
        return (
          (!aes.ok || aes.value.toBytes().equals(input)) &&
          (!tdes.ok || tdes.value.toBytes().equals(input)) &&
          InitialKeyId.parse(input).ok === (input.length === 8)
        );
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe('TdesKsn', () => {
  test('splits serial number and counter', () => {
    const read = tdesKsn('FFFF9876543210EFF800');
    expect(read.counter).toBe(0x0ff800);
    expect(read.initialSerialNumber.toString('hex').toUpperCase()).toBe('FFFF9876543210E00000');
    expect(read.toString()).toBe('FFFF9876543210EFF800');
    expect(read.next()?.toString()).toBe('FFFF9876543210EFF801');
  });

  test.each([
    ['FFFF9876543210E00000', 'KSN_COUNTER'],
    ['FFFF9876543210FFFFFF', 'KSN_COUNTER'],
    ['FFFF9876543210E0000', 'KSN_MALFORMED'],
  ])('%s is refused with %s', (text, reason) => {
    expect(reasonOf(TdesKsn.parse(text))).toBe(reason);
  });

  test('ends at the highest counter', () => {
    expect(tdesKsn('FFFF9876543210FFF800').next()).toBeUndefined();
  });
});

test('initial key IDs are equal by value', () => {
  expect(ikid('1234567890123456').equals(ikid('1234567890123456'))).toBe(true);
  expect(ikid('1234567890123456').equals(ikid('1234567890123457'))).toBe(false);
});
