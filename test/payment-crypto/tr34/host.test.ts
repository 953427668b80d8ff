import { describe, expect, test } from '@jest/globals';
import type { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { parseTr34Certificate } from '../../../src/payment-crypto/tr34/certificate.ts';
import { OIDS } from '../../../src/payment-crypto/tr34/der.ts';
import type { Tr34Deviation } from '../../../src/payment-crypto/tr34/deviation.ts';
import { type KeyDistribution, makeKeyToken } from '../../../src/payment-crypto/tr34/key-distribution-host.ts';
import { formatKeyHeader, readKeyHeader } from '../../../src/payment-crypto/tr34/key-header.ts';
import { formatRandomNumberToken } from '../../../src/payment-crypto/tr34/random-number.ts';
import { residue } from '../residue.ts';
import { accepted, key, reasonOf, rsaPublicKey, seededRandom } from '../support.ts';
import * as parties from './parties.ts';
import { AES_128, randomNumber, refusal, take } from './tokens.ts';

const { NOW, boundDevice, host, hostList } = parties;

describe('a host', () => {
  const K1 = { usage: 'K1', algorithm: 'A', modeOfUse: 'B', keyVersion: '00', exportability: 'E' } as const;
  const distribution = (secret: SecretKey, changes: Partial<KeyDistribution> = {}): KeyDistribution => ({
    host,
    device: boundDevice,
    randomNumberToken: formatRandomNumberToken(randomNumber),
    key: secret,
    attributes: K1,
    revocationList: hostList(),
    ...changes,
  });
  const weaker: ReadonlySet<Tr34Deviation> = new Set(['TRANSPORT_KEY_WEAKER_THAN_KEY']);
  const making = (secret: SecretKey, changes: Partial<KeyDistribution> = {}) =>
    makeKeyToken(distribution(secret, changes), NOW, seededRandom('host'), { tolerate: weaker });

  test.each([
    ['AES', 128, K1, OIDS.aes128Cbc, 'D'],
    ['AES', 192, K1, OIDS.aes256Cbc, 'D'],
    ['AES', 256, K1, OIDS.aes256Cbc, 'D'],
    ['TDES', 192, { ...K1, algorithm: 'T' }, OIDS.aes128Cbc, 'B'],
    ['HMAC', 128, { ...K1, usage: 'M7', algorithm: 'H', modeOfUse: 'G' }, OIDS.aes128Cbc, 'D'],
    ['HMAC', 256, { ...K1, usage: 'M7', algorithm: 'H', modeOfUse: 'G' }, OIDS.aes256Cbc, 'D'],
  ] as const)(
    'sends a key of %s, %d bits, under a cipher as strong',
    (algorithm, bits, attributes, cipher, version) => {
      const secret = key(algorithm, '5A'.repeat(bits / 8));
      const made = accepted(making(secret, { attributes }));
      const found = [OIDS.aes128Cbc, OIDS.aes256Cbc].filter((oid) => made.includes(Buffer.from(oid)));
      expect(found).toEqual([cipher]);
      const received = accepted(take(made, [...weaker]));
      expect([received.key.algorithm, received.header.version]).toEqual([algorithm, version]);
      expect(received.key.equals(secret)).toBe(true);
    },
  );

  test('sends no key that is stronger than any cipher', () => {
    const attributes = { ...K1, usage: 'M7', algorithm: 'H', modeOfUse: 'G' } as const;
    expect(reasonOf(making(key('HMAC', '5A'.repeat(32)), { attributes }))).toBe('accepted');
    expect(reasonOf(making(key('HMAC', '5A'.repeat(33)), { attributes }))).toBe('KEY_LENGTH');
  });

  test('sends nothing to a device whose key OAEP does not take', () => {
    const odd = accepted(parseTr34Certificate(parties.deviceCertificate({ publicKey: rsaPublicKey(2049) })));
    const to = { certificate: odd, authority: parties.deviceAuthority };
    const secret = key('AES', AES_128);
    const left = residue([secret], () => {
      expect(reasonOf(making(secret, { device: to }))).toBe('OAEP_MODULUS');
      return [];
    });
    expect(left).toEqual([]);
  });

  test('leaves nothing clear of a key that it sends', () => {
    const secret = key('AES', AES_128);
    const left = residue([secret], () => {
      accepted(making(secret));
      return [];
    });
    expect(left).toEqual([]);
  });

  test('writes headers of at most 1 024 characters, and a device reads none that is longer', () => {
    const secret = key('AES', AES_128);
    const header = (length: number) => formatKeyHeader(secret, K1, [{ id: 'LB', text: 'x'.repeat(length) }]);
    const lengths = Array.from({ length: 60 }, (_, at) => 970 + at);
    const made = lengths.flatMap((length) => {
      const written = header(length);
      return written.ok ? [written.value] : [];
    });
    expect(made.at(-1)).toHaveLength(1024);
    expect(reasonOf(header(970 + made.length))).toBe('KEY_BLOCK_LENGTH');
    const longest = Buffer.from(made.at(-1) ?? '');
    expect(reasonOf(readKeyHeader(longest))).toBe('accepted');
    expect(refusal(readKeyHeader(Buffer.concat([longest, Buffer.from('x')])))).toBe('TR34_HEADER');
    expect(refusal(readKeyHeader(Buffer.concat([longest.subarray(0, 1023)])))).toMatch(/^TR34_HEADER: /);
  });

  test('writes at most 99 optional blocks', () => {
    const secret = key('AES', AES_128);
    const blocks = (count: number) =>
      reasonOf(
        formatKeyHeader(
          secret,
          K1,
          Array.from({ length: count }, () => ({ id: 'LB', text: 'x' }) as const),
        ),
      );
    expect(blocks(100)).toBe('OPTIONAL_BLOCK_COUNT');
    expect(blocks(99)).not.toBe('OPTIONAL_BLOCK_COUNT');
  });
});
