import { describe, expect, test } from '@jest/globals';
import { deriveInitialKey } from '../../../src/payment-crypto/aes-dukpt/host.ts';
import { diagnoseDukpt } from '../../../src/payment-crypto/diagnosis/dukpt.ts';
import {
  type AesDerivation,
  type DukptDerivation,
  derivedKey,
  type TdesDerivation,
} from '../../../src/payment-crypto/diagnosis/dukpt-derivation.ts';
import { hexOf } from '../../../src/payment-crypto/hex.ts';
import { type KcvMethod, keyCheckValue } from '../../../src/payment-crypto/kcv.ts';
import { encipherPin } from '../../../src/payment-crypto/pin-block/encipherment.ts';
import type { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { deriveTdesInitialKey } from '../../../src/payment-crypto/tdes-dukpt/derivation.ts';
import { accepted, bytes, hex, ikid, key, pan, pin, seededRandom } from '../support.ts';

// ANSI X9.24-3:2017 supplement and ANSI X9.24-1:2009 A.4: the keys of the examples.
const AES: AesDerivation = {
  scheme: 'AES',
  given: 'bdk',
  key: key('AES', 'FEDCBA9876543210F1F1F1F1F1F1F1F1'),
  ksn: bytes('123456789012345600000003'),
  level: 'working',
  usage: 'pinEncryption',
  type: 'AES128',
};
const TDES: TdesDerivation = {
  scheme: 'TDES',
  given: 'bdk',
  key: key('TDES', '0123456789ABCDEFFEDCBA9876543210'),
  ksn: bytes('FFFF9876543210E00003'),
  level: 'working',
  usage: 'pinEncryption',
};
const AES_INITIAL = deriveInitialKey(AES.key, ikid('1234567890123456'));
const TDES_INITIAL = deriveTdesInitialKey(TDES.key, bytes('FFFF9876543210E00000'));

function actual(derivation: DukptDerivation): SecretKey {
  const made = derivedKey(derivation);
  if (made === undefined) throw new Error('the planted derivation has no key');
  return made;
}

/** What the other side, which derives in its own way, shows; held against what this side believes. */
function diagnosed(believed: DukptDerivation, planted: DukptDerivation, method?: KcvMethod) {
  return diagnoseDukpt(believed, { kcv: { value: keyCheckValue(actual(planted), method, 3) } });
}

const swap = (text: string): string => text.slice(text.length / 2) + text.slice(0, text.length / 2);
const aes = (text: string) => key('AES', text);
const AES_TEXT = hex(AES.key);

describe('AES DUKPT', () => {
  test('what fits is said to fit', () => {
    expect(diagnosed(AES, AES)).toMatchObject({ outcome: 'fits', trials: 1 });
  });

  test.each<[string, Partial<AesDerivation>, Partial<AesDerivation>]>([
    ['INTERMEDIATE_KEY', {}, { level: 'transaction' }],
    ['INTERMEDIATE_KEY', { level: 'transaction' }, { level: 'working' }],
    ['INITIAL_KEY', {}, { level: 'initial' }],
    ['GIVEN_KEY', {}, { level: 'given' }],
    ['INITIAL_KEY_AS_BDK', { key: AES_INITIAL }, { key: AES_INITIAL, given: 'initialKey' }],
    ['BDK_AS_INITIAL_KEY', { given: 'initialKey' }, {}],
    ['USAGE', {}, { usage: 'dataEncryptionEncrypt' }],
    ['USAGE', { usage: 'macGeneration' }, { usage: 'macBoth' }],
    ['KEY_TYPE', {}, { type: 'TDES2' }],
    ['KSN_COUNTER', {}, { ksn: bytes('123456789012345600000004') }],
    ['KSN_COUNTER', {}, { ksn: bytes('123456789012345600000002') }],
    ['KSN_BYTE_ORDER', {}, { ksn: bytes('123456789012345603000000') }],
    ['KSN_BYTE_ORDER', { ksn: bytes('000003005634129078563412') }, { ksn: bytes('123456789012345600030000') }],
    ['KEY_HALVES', { key: aes(swap(AES_TEXT)) }, {}],
    ['KEY_BYTE_ORDER', { key: aes(Buffer.from(bytes(AES_TEXT)).reverse().toString('hex')) }, {}],
    ['KEY_PARITY', { key: aes('FEDCBA9876543211F1F1F1F1F1F1F1F0') }, {}],
  ])('%s', (fault, believed, planted) => {
    const diagnosis = diagnosed({ ...AES, ...believed }, { ...AES, ...planted });
    expect(diagnosis).toMatchObject({ outcome: 'one', findings: [{ faults: [fault] }] });
    expect(diagnosis.findings[0]?.accidental).toBeLessThan(0.01);
  });

  test('KCV_METHOD, alone and together with another fault', () => {
    expect(diagnosed(AES, AES, 'legacy')).toMatchObject({ outcome: 'one', findings: [{ faults: ['KCV_METHOD'] }] });
    const both = diagnosed(AES, { ...AES, level: 'transaction' }, 'legacy');
    expect(both).toMatchObject({ outcome: 'one', findings: [{ faults: ['INTERMEDIATE_KEY', 'KCV_METHOD'] }] });
  });

  test('two explanations that nothing tells apart are both given', () => {
    // Of halves that are palindromes, swapping them and reversing all bytes give the same key.
    const same = aes(`${'00'.repeat(8)}${'11'.repeat(8)}`);
    const swapped = aes(`${'11'.repeat(8)}${'00'.repeat(8)}`);
    const several = diagnosed({ ...AES, key: same }, { ...AES, key: swapped });
    expect(several.outcome).toBe('several');
    expect(several.findings.map(({ faults }) => faults[0])).toEqual(['KEY_HALVES', 'KEY_BYTE_ORDER']);
  });

  test('what no hypothesis explains is said to be unexplained', () => {
    const diagnosis = diagnoseDukpt(AES, { kcv: { value: bytes('0102030405') } });
    expect(diagnosis).toMatchObject({ outcome: 'none', findings: [] });
    expect(diagnosis.trials).toBeLessThan(4096);
    expect(diagnoseDukpt(AES, {})).toMatchObject({ outcome: 'none' });
    expect(diagnoseDukpt(AES, { kcv: { value: bytes('01') } })).toMatchObject({ outcome: 'none' });
  });

  test('a check value of two bytes is called the hint that it is', () => {
    const value = keyCheckValue(actual({ ...AES, level: 'transaction' }), 'cmac', 2);
    const { outcome, findings } = diagnoseDukpt(AES, { kcv: { value } });
    expect(outcome).toBe('one');
    expect(findings[0]?.accidental).toBeGreaterThan(0.0001);
  });
});

describe('TDEA DUKPT', () => {
  test.each<[string, Partial<TdesDerivation>, Partial<TdesDerivation>]>([
    ['INTERMEDIATE_KEY', {}, { level: 'transaction' }],
    ['INITIAL_KEY', {}, { level: 'initial' }],
    ['GIVEN_KEY', {}, { level: 'given' }],
    ['INITIAL_KEY_AS_BDK', { key: TDES_INITIAL }, { key: TDES_INITIAL, given: 'initialKey' }],
    ['BDK_AS_INITIAL_KEY', { given: 'initialKey' }, {}],
    ['USAGE', {}, { usage: 'macRequest' }],
    ['USAGE', { usage: 'dataRequest' }, { usage: 'dataResponse' }],
    ['KSN_COUNTER', {}, { ksn: bytes('FFFF9876543210E00002') }],
    ['KSN_BYTE_ORDER', { ksn: bytes('FFFF9876543210E00003').reverse() }, {}],
    ['KEY_HALVES', { key: key('TDES', swap(hex(TDES.key))) }, {}],
  ])('%s', (fault, believed, planted) => {
    const diagnosis = diagnosed({ ...TDES, ...believed }, { ...TDES, ...planted });
    expect(diagnosis).toMatchObject({ outcome: 'one', findings: [{ faults: [fault] }] });
  });

  test('the counter stays within its 21 bits', () => {
    const first = { ...TDES, ksn: bytes('FFFF9876543210E00001') };
    expect(diagnosed(first, { ...TDES, ksn: bytes('FFFF9876543210E00005') }).findings).toHaveLength(1);
  });
});

describe('a PIN block under a derived key', () => {
  const PAN = pan('5432109876543219');
  const blockUnder = (planted: DukptDerivation, format: 0 | 4, number = PAN) => {
    const end = { format, key: actual(planted), pan: number };
    return hexOf(accepted(encipherPin(end, pin('1234'), seededRandom('p'))));
  };

  test.each<[string, Partial<AesDerivation>]>([
    ['INTERMEDIATE_KEY', { level: 'transaction' }],
    ['USAGE', { usage: 'dataEncryptionBoth' }],
    ['KSN_COUNTER', { ksn: bytes('123456789012345600000004') }],
    ['GIVEN_KEY', { level: 'given' }],
  ])('%s, from the block alone', (fault, planted) => {
    const block = blockUnder({ ...AES, ...planted }, 4);
    const diagnosis = diagnoseDukpt(AES, { pinBlock: { block, format: 4, pan: PAN } });
    expect(diagnosis).toMatchObject({ outcome: 'one', findings: [{ faults: [fault] }] });
    expect(diagnosis.findings[0]?.accidental).toBeLessThan(0.001);
  });

  test('a fault of the block and a fault of the key together, where a check value agrees with the key', () => {
    const planted: TdesDerivation = { ...TDES, ksn: bytes('FFFF9876543210E00004') };
    const block = blockUnder(planted, 0, pan('54321098765432190'));
    const kcv = { value: keyCheckValue(actual(planted)) };
    const diagnosis = diagnoseDukpt(TDES, { kcv, pinBlock: { block, format: 0, pan: PAN } });
    expect(diagnosis.findings.map(({ faults }) => faults)).toEqual([['KSN_COUNTER', 'PAN_DIGITS']]);
  });
});
