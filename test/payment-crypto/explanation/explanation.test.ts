import { describe, expect, test } from '@jest/globals';
import { deriveInitialKey, workingKeyFromBdk } from '../../../src/payment-crypto/aes-dukpt/host.ts';
import { explainDukpt, explainKsn } from '../../../src/payment-crypto/explanation/dukpt.ts';
import { explainKeyBlock } from '../../../src/payment-crypto/explanation/key-block.ts';
import { makeTestPinBlock, pinBlockFields } from '../../../src/payment-crypto/explanation/pin-block.ts';
import { exportKeyBlock } from '../../../src/payment-crypto/key-block/export.ts';
import { tdesWorkingKeyFromBdk } from '../../../src/payment-crypto/tdes-dukpt/working-key.ts';
import { accepted, bytes, hex, ikid, key, ksn, pan, pin, reasonOf, seededRandom, tdesKsn } from '../support.ts';

const BDK = key('AES', 'FEDCBA9876543210F1F1F1F1F1F1F1F1');
const aes = (text: string, given: 'bdk' | 'initialKey' = 'bdk', secret = BDK) =>
  ({
    scheme: 'AES',
    given,
    key: secret,
    ksn: bytes(text),
    level: 'working',
    usage: 'pinEncryption',
    type: 'AES128',
  }) as const;

describe('a KSN', () => {
  test('of AES DUKPT', () => {
    expect(explainKsn(bytes('123456789012345600010001'))).toEqual({
      scheme: 'AES',
      initialKeyId: '1234567890123456',
      bdkId: '12345678',
      derivationId: '90123456',
      counter: 0x10001,
      counterBits: '00000000000000010000000000000001',
      oneBits: 2,
      mostOneBits: 16,
      usable: true,
    });
  });

  test('of TDEA DUKPT, whose counter takes the last 21 bits', () => {
    const explained = explainKsn(bytes('FFFF9876543210FFFC00'));
    expect(explained).toMatchObject({ scheme: 'TDES', initialKeyId: 'FFFF9876543210E00000', counter: 0x1ffc00 });
    expect(explained?.usable).toBe(false);
    expect(explained?.oneBits).toBe(11);
  });

  test('of any other length is none', () => {
    expect(explainKsn(bytes('1234567890123456'))).toBeUndefined();
    expect(explainKsn(new Uint8Array(0))).toBeUndefined();
  });
});

describe('the keys of a KSN', () => {
  test('end in the working keys that the host derives, from the BDK and from the initial key', () => {
    const text = '123456789012345600000007';
    const expected = hex(accepted(workingKeyFromBdk(BDK, ksn(text), 'macGeneration', 'AES128')));
    const initial = deriveInitialKey(BDK, ikid('1234567890123456'));
    for (const derivation of [aes(text), aes(text, 'initialKey', initial)]) {
      const explained = explainDukpt(derivation, 'AES128', true);
      expect(explained?.walk.map(({ counter }) => counter)).toEqual(['00000004', '00000006', '00000007']);
      const working = explained?.workingKeys.find(({ usage }) => usage === 'macGeneration');
      expect(working?.key.key).toBe(expected);
      expect(explained?.workingKeys).toHaveLength(9);
    }
    expect(hex(initial)).toBe('1273671EA26AC29AFA4D1084127652A1');
  });

  test('of TDEA DUKPT are those of X9.24-1', () => {
    const bdk = key('TDES', '0123456789ABCDEFFEDCBA9876543210');
    const text = 'FFFF9876543210E00003';
    const derivation = {
      scheme: 'TDES',
      given: 'bdk',
      key: bdk,
      ksn: bytes(text),
      level: 'working',
      usage: 'pinEncryption',
    } as const;
    const explained = explainDukpt(derivation, 'AES128', true);
    const expected = hex(tdesWorkingKeyFromBdk(bdk, tdesKsn(text), 'dataRequest'));
    expect(explained?.workingKeys.find(({ usage }) => usage === 'dataRequest')?.key.key).toBe(expected);
    expect(explained?.initialKey.key).toBe('6AC292FAA1315B4D858AB3A3D7D5933A');
  });

  test('are not there where no transaction may use the counter, or the key is of another algorithm', () => {
    const explained = explainDukpt(aes('1234567890123456FFFFFFFF'), 'AES128', false);
    expect(explained?.walk).toEqual([]);
    expect(explained?.workingKeys.map(({ usage }) => usage)).toEqual(['update key (counter FFFFFFFF)']);
    expect(
      explainDukpt(
        { ...aes('123456789012345600000001'), key: key('TDES', '0123456789ABCDEFFEDCBA9876543210') },
        'AES128',
        false,
      ),
    ).toBeUndefined();
    expect(explainDukpt(aes('FFFF9876543210E00003'), 'AES128', false)).toBeUndefined();
  });

  test('are shown only where they are to be revealed, and an HMAC key has no check value', () => {
    const hidden = JSON.stringify(explainDukpt(aes('123456789012345600000001'), 'HMAC128', false));
    expect(hidden).not.toContain('"key":"');
    const hmac = explainDukpt(aes('123456789012345600000001'), 'HMAC128', true)?.workingKeys[0]?.key;
    expect(hmac).toEqual({ algorithm: 'HMAC', bits: 128, key: hmac?.key });
  });
});

describe('a key block', () => {
  const kbpk = key('AES', '88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6');
  const secret = key('AES', '3F419E1CB7079442AA37474C2EFBF8B8');
  const attributes = { usage: 'B1', algorithm: 'A', modeOfUse: 'X', keyVersion: 'c1', exportability: 'N' } as const;
  const block = accepted(
    exportKeyBlock(
      {
        version: 'D',
        attributes,
        key: secret,
        optional: [
          { id: 'AL', life: 'static' },
          { id: 'BI', dukpt: 'AES', bdkId: '12345678' },
          { id: 'CT', format: 'X.509', body: 'AAAA' },
          { id: 'DA', derivations: [{ usage: 'P0', algorithm: 'A', modeOfUse: 'E', exportability: 'N' }] },
          { id: 'FL', text: '00' },
          { id: 'HM', hash: 'SHA-256' },
          { id: 'IK', initialKeyId: ikid('1234567890123456') },
          { id: 'KC', method: 'cmac', value: '08793E25AB' },
          { id: 'KS', ksn: 'FFFF9876543210E00000' },
          { id: 'KV', text: '0101' },
          { id: 'LB', text: 'a longer label' },
          { id: 'TC', at: Date.UTC(2026, 2, 1) },
          { id: 'WP', pedigree: 2 },
        ],
      },
      kbpk,
      seededRandom('explained'),
    ),
  );

  test('is explained field by field', () => {
    const explained = accepted(explainKeyBlock(block, kbpk, false));
    const meaning = Object.fromEntries(
      [...explained.header, ...explained.optional].map((field) => [field.field, field.meaning]),
    );
    expect(meaning).toMatchObject({
      version: 'AES-CBC, keys derived by CMAC',
      'key usage': 'initial key of DUKPT',
      'mode of use': 'derive other keys',
      'key version': 'component 1 of a key',
      exportability: 'not exportable',
      AL: 'asymmetric key, static',
      BI: 'BDK ID of AES DUKPT: 12345678',
      CT: 'public key certificate, X.509',
      DA: '1 derivations allowed',
      HM: 'hash of the HMAC key: SHA-256',
      IK: 'initial key ID of AES DUKPT: 1234567890123456',
      KC: 'check value of the wrapped key, cmac: 08793E25AB',
      KS: 'initial KSN of TDEA DUKPT: FFFF9876543210E00000',
      LB: 'label',
      PB: 'padding to whole cipher blocks',
      TC: 'created 2026-03-01T00:00:00.000Z',
      WP: 'wrapping pedigree 2',
    });
    expect(explained.opened).toMatchObject({ tolerated: [], key: { cmacKcv: '08793E25AB' } });
    expect(JSON.stringify(explained)).not.toContain(hex(secret));
    expect(accepted(explainKeyBlock(block, kbpk, true)).opened?.key?.key).toBe(hex(secret));
  });

  test('that is not standard says what is not', () => {
    const explained = accepted(explainKeyBlock('D0016ZZQQ00E0000', undefined, false));
    expect(explained.deviations).toEqual(['UNKNOWN_KEY_USAGE', 'UNKNOWN_ALGORITHM', 'UNKNOWN_MODE_OF_USE']);
    expect(explained.header.filter(({ meaning }) => meaning === 'not defined by X9.143')).toHaveLength(3);
    const odd = accepted(explainKeyBlock('D0028P0AE00E0201100612IK0600', undefined, false));
    expect(odd.optional.map(({ meaning }) => meaning)).toEqual(['proprietary', 'cannot be read']);
    expect(odd.header.at(-1)?.meaning).toBe('should be 00');
  });

  test('that does not open says why, and what has no header is refused', () => {
    const changed = `${block.slice(0, 11)}E${block.slice(12)}`;
    expect(accepted(explainKeyBlock(changed, kbpk, true)).opened).toEqual({ refused: 'KEY_BLOCK_MAC', tolerated: [] });
    expect(reasonOf(explainKeyBlock('Z', kbpk, true))).toBe('KEY_BLOCK_LENGTH');
  });
});

describe('a PIN block', () => {
  test('is made clear, or under a key', () => {
    const parts = { pin: pin('1234'), pan: pan('5432109876543219') };
    // ISO 9564-1 format 0: 041234FFFFFFFFFF XOR 0000210987654321
    expect(accepted(makeTestPinBlock(0, parts, seededRandom('p')))).toEqual({
      block: '041215F6789ABCDE',
      enciphered: false,
    });
    const aesKey = key('AES', '000102030405060708090A0B0C0D0E0F');
    expect(accepted(makeTestPinBlock(4, { ...parts, key: aesKey }, seededRandom('p')))).toMatchObject({
      enciphered: true,
    });
    expect(reasonOf(makeTestPinBlock(4, parts, seededRandom('p')))).toBe('KEY_ALGORITHM');
    expect(reasonOf(makeTestPinBlock(0, { pin: parts.pin }, seededRandom('p')))).toBe('PAN_REQUIRED');
    expect(reasonOf(makeTestPinBlock(2, { ...parts, key: aesKey }, seededRandom('p')))).toBe('PIN_BLOCK_FORMAT');
  });

  test.each([
    [0, '5432109876543219', '0000210987654321'],
    [3, '12345', '0000000000001234'],
    [4, '5432109876543219', '45432109876543219000000000000000'],
    [4, '12345', '00000000123450000000000000000000'],
  ] as const)('of format %i has the PAN field of %s', (format, digits, field) => {
    const fields = pinBlockFields(format, pan(digits), pin('98765'), false);
    expect(fields.find(({ field: name }) => name === 'PAN field')?.value).toBe(field);
    expect(fields.find(({ field: name }) => name === 'PIN')).toMatchObject({ value: '*****', meaning: '5 digits' });
  });

  test('of a format without PAN has no PAN field, and shows the PIN where it is to be revealed', () => {
    const fields = pinBlockFields(1, pan('5432109876543219'), pin('98765'), true);
    expect(fields.map(({ field }) => field)).toEqual(['format', 'PIN']);
    expect(fields[1]?.value).toBe('98765');
  });
});
