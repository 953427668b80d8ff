import { describe, expect, test } from '@jest/globals';
import type { DukptDerivation } from '../../../src/payment-crypto/diagnosis/dukpt-derivation.ts';
import { explainDukpt } from '../../../src/payment-crypto/explanation/dukpt.ts';
import { explainKeyBlock } from '../../../src/payment-crypto/explanation/key-block.ts';
import { explainFormat, makeTestPinBlock, pinBlockFields } from '../../../src/payment-crypto/explanation/pin-block.ts';
import { exportKeyBlock } from '../../../src/payment-crypto/key-block/export.ts';
import type { OptionalContent } from '../../../src/payment-crypto/key-block/optional-content.ts';
import type { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { residue } from '../residue.ts';
import { accepted, bytes, key, pan, pin, seededRandom } from '../support.ts';

const AES = key('AES', 'FEDCBA9876543210F1F1F1F1F1F1F1F1');
const TDES = key('TDES', '0123456789ABCDEFFEDCBA9876543210');
const AES_KSN = '123456789012345600000007';
const TDES_KSN = 'FFFF9876543210E00003';

describe('a PIN block', () => {
  test.each([
    [0, 'PIN field filled with F, XOR 0000 and the 12 rightmost PAN digits less the check digit'],
    [1, 'PIN field filled at random; no PAN: for a PIN whose account is not known yet'],
    [2, 'PIN field filled with F; no PAN: for chip cards only, never enciphered under a zone key'],
    [3, 'as format 0, but filled with A to F at random'],
    [4, 'E(K, E(K, PIN field) XOR PAN field) under AES; PIN field filled with A, then 8 random bytes; the whole PAN'],
  ] as const)('of format %d is made of: %s', (format, text) => {
    expect(explainFormat(format)).toBe(text);
    expect(pinBlockFields(format, undefined, undefined, false)).toEqual([
      { field: 'format', value: String(format), meaning: text },
    ]);
  });

  test.each([
    [0, '5432109876543219', '0000210987654321'],
    [3, '12345', '0000000000001234'],
    [4, '5432109876543219', '45432109876543219000000000000000'],
  ] as const)('of format %d with PAN %s takes its field from it', (format, digits, value) => {
    expect(pinBlockFields(format, pan(digits), pin('12345'), false).slice(1)).toEqual([
      { field: 'PAN field', value, meaning: 'of the PAN that was given' },
      { field: 'PIN', value: '*****', meaning: '5 digits' },
    ]);
    expect(pinBlockFields(format, undefined, pin('12345'), true).slice(1)).toEqual([
      { field: 'PIN', value: '12345', meaning: '5 digits' },
    ]);
  });

  test('that is clear has no format 4, and leaves nothing behind', () => {
    const [secret, number] = [pin('1234'), pan('5432109876543219')];
    expect(makeTestPinBlock(4, { pin: secret, pan: number }, seededRandom('p'))).toEqual({
      ok: false,
      reason: 'KEY_ALGORITHM',
      detail: 'format 4 needs an AES key',
    });
    const left = residue([secret, number], () => {
      accepted(makeTestPinBlock(0, { pin: secret, pan: number }, seededRandom('p')));
      return [];
    });
    expect(left).toEqual([]);
  });
});

describe('the keys of a KSN', () => {
  const derivation = (scheme: 'AES' | 'TDES', given: 'bdk' | 'initialKey', ksn: string, of: SecretKey) =>
    ({
      scheme,
      given,
      key: of,
      ksn: bytes(ksn),
      level: 'working',
      usage: 'pinEncryption',
      type: 'AES128',
    }) as DukptDerivation;

  test.each([
    ['AES', 'bdk', AES_KSN, AES, 9],
    ['AES', 'initialKey', AES_KSN, AES, 9],
    ['AES', 'initialKey', '1234567890123456FFFFFFFF', AES, 1],
    ['AES', 'bdk', '123456789012345600000000', AES, 1],
    ['TDES', 'bdk', TDES_KSN, TDES, 5],
    ['TDES', 'initialKey', TDES_KSN, TDES, 5],
    ['TDES', 'bdk', 'FFFF9876543210FFFFFF', TDES, 0],
  ] as const)('of %s from the %s at %s are wiped once they are shown', (scheme, given, ksn, of, working) => {
    const left = residue(
      [of],
      () => {
        const explained = explainDukpt(derivation(scheme, given, ksn, of), 'AES128', false);
        expect(explained?.workingKeys).toHaveLength(working);
        expect(explained?.initialKey.key).toBeUndefined();
        return [];
      },
      'keys',
    );
    expect(left).toEqual([]);
  });

  test('that would be stronger than their parent are not among them', () => {
    const explained = explainDukpt(derivation('AES', 'bdk', AES_KSN, AES), 'AES256', false);
    expect(explained?.workingKeys.map(({ usage }) => usage)).toEqual(['update key (counter FFFFFFFF)']);
  });

  test('of a BDK of 256 bits are explained, of a three-key TDEA key not', () => {
    const long = key('AES', '00112233445566778899AABBCCDDEEFF'.repeat(2));
    expect(explainDukpt(derivation('AES', 'bdk', AES_KSN, long), 'AES256', false)?.workingKeys).toHaveLength(9);
    const three = key('TDES', '0123456789ABCDEFFEDCBA98765432100123456789ABCDEF');
    expect(explainDukpt(derivation('TDES', 'bdk', TDES_KSN, three), 'AES128', false)).toBeUndefined();
  });

  test.each([
    ['TDES', AES_KSN, TDES],
    ['TDES', AES_KSN, AES],
    ['AES', TDES_KSN, TDES],
    ['AES', TDES_KSN, AES],
    ['TDES', TDES_KSN, AES],
  ] as const)('of %s at %s under a key of another scheme are none', (scheme, ksn, of) => {
    expect(explainDukpt(derivation(scheme, 'bdk', ksn, of), 'AES128', false)).toBeUndefined();
  });
});

describe('a key block', () => {
  const attributes = { usage: 'K0', algorithm: 'A', modeOfUse: 'B', keyVersion: '12', exportability: 'N' };
  const block = (optional: readonly OptionalContent[], keyVersion = '12') =>
    accepted(
      exportKeyBlock(
        { version: 'D', attributes: { ...attributes, keyVersion }, key: AES, optional },
        AES,
        seededRandom('b'),
      ),
    );

  test.each<[OptionalContent, string]>([
    [{ id: 'KC', method: 'cmac', value: '08793E25AB' }, 'check value of the wrapped key, cmac: 08793E25AB'],
    [{ id: 'KP', method: 'legacy', value: 'CB9DEA' }, 'check value of the KBPK, legacy: CB9DEA'],
    [{ id: 'PK', method: 'cmac', value: '08793E' }, 'check value of the KBPK of an earlier export, cmac: 08793E'],
    [{ id: 'KV', text: '0000' }, 'version of the key block fields'],
    [{ id: 'FL', text: '00' }, 'flags'],
    [{ id: 'LB', text: 'x' }, 'label'],
    [{ id: 'TC', at: 0 }, 'created 1970-01-01T00:00:00.000Z'],
    [{ id: 'TS', at: 0 }, 'time stamp 1970-01-01T00:00:00.000Z'],
  ])('with %j says: %s', (content, meaning) => {
    const [first] = accepted(explainKeyBlock(block([content]), undefined, false)).optional;
    expect(first).toMatchObject({ field: content.id, meaning });
  });

  test.each([
    ['00', 'none'],
    ['12', 'version of the key'],
    ['c1', 'component 1 of a key'],
    ['1c', 'version of the key'],
  ])('of key version %s is: %s', (keyVersion, meaning) => {
    const { header } = accepted(explainKeyBlock(block([], keyVersion), undefined, false));
    expect(header.find(({ field }) => field === 'key version')?.meaning).toBe(meaning);
  });

  test('is opened, and its key wiped', () => {
    const text = block([]);
    const left = residue([AES], () => {
      const { opened } = accepted(explainKeyBlock(text, AES, false));
      expect(opened).toMatchObject({ tolerated: [], key: { algorithm: 'AES', bits: 128 } });
      return [];
    });
    expect(left).toEqual([]);
  });
});
