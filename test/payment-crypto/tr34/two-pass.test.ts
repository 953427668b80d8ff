import { spawnSync } from 'node:child_process';
import { sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { sha256 } from '../../../src/encoding/digest.ts';
import { encodePem } from '../../../src/encoding/pem.ts';
import { hexOf } from '../../../src/payment-crypto/hex.ts';
import { encryptOaep } from '../../../src/payment-crypto/oaep.ts';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import type { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import {
  CONTEXT,
  derElement,
  derOctets,
  derSequence,
  derUnsigned,
} from '../../../src/payment-crypto/secure-key-wrapper/der.ts';
import { derAlgorithm, derContext, derOid, derSetOf, OIDS } from '../../../src/payment-crypto/tr34/der.ts';
import type { Tr34Deviation } from '../../../src/payment-crypto/tr34/deviation.ts';
import { decipherContent } from '../../../src/payment-crypto/tr34/enveloped-data.ts';
import {
  formatHeaderAttribute,
  formatKeyContent,
  parseKeyContent,
} from '../../../src/payment-crypto/tr34/key-content.ts';
import { type KeyDistribution, makeKeyToken } from '../../../src/payment-crypto/tr34/key-distribution-host.ts';
import { acceptKeyToken, type KeyReception } from '../../../src/payment-crypto/tr34/key-receiving-device.ts';
import {
  formatRandomNumberToken,
  newRandomNumber,
  parseRandomNumberToken,
} from '../../../src/payment-crypto/tr34/random-number.ts';
import {
  derAttribute,
  formatCertificates,
  formatSigned,
  type Signing,
} from '../../../src/payment-crypto/tr34/signed-data.ts';
import { accepted, bytes, hex, key, reasonOf, seededRandom } from '../support.ts';
import * as parties from './parties.ts';

const { NOW, boundDevice, boundHost, boundShortDevice, device, host, hostKeys, hostList, shortDevice } = parties;

const AES_128 = '000102030405060708090A0B0C0D0E0F';
const KBPK = { usage: 'K1', algorithm: 'A', modeOfUse: 'B', keyVersion: '00', exportability: 'E' } as const;
const number = newRandomNumber(seededRandom('number'));
const reception: KeyReception = { device, host: boundHost, randomNumber: number };

function distribution(secret: SecretKey, changes: Partial<KeyDistribution> = {}): KeyDistribution {
  return {
    host,
    device: boundDevice,
    randomNumberToken: formatRandomNumberToken(number),
    key: secret,
    attributes: { ...KBPK, algorithm: secret.algorithm === 'AES' ? 'A' : 'T' },
    revocationList: hostList(),
    ...changes,
  };
}

function make(changes: Partial<KeyDistribution> = {}): Buffer {
  return accepted(makeKeyToken(distribution(key('AES', AES_128), changes), NOW, seededRandom('host')));
}

const HEADER = Buffer.from('D0016K1AB00E0000');

interface Forgery {
  readonly headerOutside?: Buffer;
  readonly headerInside?: Buffer;
  readonly hostInside?: Buffer;
  readonly recipient?: Buffer;
  readonly cipher?: 'aes' | 'tdes' | 'aes192';
  readonly oaep?: Buffer;
  readonly ephemeral?: Buffer;
  readonly digest?: Buffer;
  readonly attributes?: (sound: readonly Buffer[]) => readonly Buffer[];
  readonly envelope?: (sound: Buffer) => Buffer;
  readonly signing?: Partial<Signing>;
  readonly clearKey?: string;
}

/** A token that the host itself signs, with something wrong in it: what a signature alone does not stop. */
function forge(forgery: Forgery = {}): Buffer {
  const { headerOutside = HEADER, headerInside = headerOutside, cipher = 'aes' } = forgery;
  const content = formatKeyContent({
    host: forgery.hostInside ?? host.certificate.identity,
    key: new SecretBytes(bytes(forgery.clearKey ?? AES_128)),
    header: headerInside,
  });
  const ephemeral = key(
    cipher === 'tdes' ? 'TDES' : 'AES',
    forgery.ephemeral?.toString('hex') ?? (cipher === 'aes' ? AES_128 : `${AES_128}A1A2A3A4A5A6A7A8`),
  );
  const iv = Buffer.alloc(ephemeral.blockBytes, 7);
  const padding = ephemeral.blockBytes - (content.length % ephemeral.blockBytes);
  const enciphered = content.use((clear) =>
    ephemeral.cipherIn('cbc', iv).update(Buffer.concat([clear, Buffer.alloc(padding, padding)])),
  );
  const hashes = { digest: 'sha256', mgf1: 'sha256' } as const;
  const encryptedKey = accepted(encryptOaep(device.certificate.publicKey, ephemeral, seededRandom('oaep'), hashes));
  const cipherOid = {
    aes: OIDS.aes128Cbc,
    tdes: OIDS.desEde3Cbc,
    aes192: Buffer.from('60864801650304 0116'.replace(' ', ''), 'hex'),
  };
  const oaepParameters =
    forgery.oaep ??
    derSequence(
      derContext(0, derAlgorithm(OIDS.sha256)),
      derContext(1, derAlgorithm(OIDS.mgf1, derAlgorithm(OIDS.sha256))),
    );
  const recipient = derSequence(
    derUnsigned(0),
    forgery.recipient ?? device.certificate.identity,
    derAlgorithm(OIDS.rsaesOaep, oaepParameters),
    derOctets(encryptedKey),
  );
  const encrypted = derSequence(
    derOid(OIDS.data),
    derAlgorithm(cipherOid[cipher], derOctets(iv)),
    derElement(CONTEXT, 0, false, enciphered),
  );
  const sound = derSequence(derUnsigned(0), derSetOf(recipient), encrypted);
  const envelope = forgery.envelope?.(sound) ?? sound;
  const attributes = [
    derAttribute(OIDS.contentType, derOid(OIDS.envelopedData)),
    derAttribute(OIDS.messageDigest, derOctets(forgery.digest ?? sha256(envelope))),
    formatRandomNumberToken(number),
    formatHeaderAttribute(headerOutside),
  ];
  return formatSigned({
    contentType: OIDS.envelopedData,
    content: envelope,
    attributes: forgery.attributes?.(attributes) ?? attributes,
    identity: host.certificate.identity,
    privateKey: hostKeys.privateKey,
    revocationLists: [hostList()],
    ...forgery.signing,
  });
}

const take = (token: Uint8Array, changes: Partial<KeyReception> = {}, tolerate: readonly Tr34Deviation[] = []) =>
  acceptKeyToken(token, { ...reception, ...changes }, NOW, { tolerate: new Set(tolerate) });

describe('the random number token', () => {
  test('is the bytes of TR-34:2019 B.12', () => {
    const token = formatRandomNumberToken(bytes('167EB0E72781E4940112233445566778'));
    expect(hexOf(token)).toBe('3020060A2A864886F70D01091903311204 10167EB0E72781E4940112233445566778'.replace(' ', ''));
    expect(hexOf(accepted(parseRandomNumberToken(token)))).toBe('167EB0E72781E4940112233445566778');
  });

  test('has 8 bytes or more, one value and nothing behind it', () => {
    expect(reasonOf(parseRandomNumberToken(formatRandomNumberToken(bytes('7DEA1C00894E246A'))))).toBe('accepted');
    expect(reasonOf(parseRandomNumberToken(formatRandomNumberToken(bytes('7DEA1C00894E24'))))).toBe(
      'TR34_RANDOM_NUMBER',
    );
    expect(reasonOf(parseRandomNumberToken(formatRandomNumberToken(Buffer.alloc(33))))).toBe('TR34_RANDOM_NUMBER');
    expect(reasonOf(parseRandomNumberToken(Buffer.concat([formatRandomNumberToken(number), Buffer.of(0)])))).toBe(
      'TR34_MALFORMED',
    );
    const two = derSequence(derOid(OIDS.randomNonce), derSetOf(derOctets(number), derOctets(Buffer.alloc(16))));
    expect(reasonOf(parseRandomNumberToken(two))).toBe('TR34_MALFORMED');
    expect(reasonOf(parseRandomNumberToken(formatHeaderAttribute(HEADER)))).toBe('TR34_MALFORMED');
  });
});

describe('the key block within a token', () => {
  // TR-34:2019 B.2.2.2.1 and B.2.2.3.1; the seventh last byte is C7, by the standard's corrigendum.
  const ENCIPHERED =
    '5332A1F84521DE2D3B23EBE3CB2D674B16114EC59821410 2C3DEE175C2A669400EB039136E632E4A32140AAB5546AC478799F7B7A025335F45CCA3CD1894314FF513E3E02573ADB5135DF8B1DB3277D9DE273DC6A8B5E79D215F63B93A52137DBAFBE5CC3FF472919D86D2409762370FA80A77AED183E1ED597BF9BFDC9D286934C7C1E1E8D003FB'.replace(
      ' ',
      '',
    );

  test('is that of TR-34:2019 B.2.2.2.1', () => {
    const ephemeral = key('TDES', '0123456789ABCDEFFEDCBA9876543210FFEEDDCCBBAA9988');
    const clear = decipherContent(bytes(ENCIPHERED), ephemeral, bytes('0123456789ABCDEF'));
    const content = clear?.use(parseKeyContent);
    expect(content?.ok).toBe(true);
    if (clear === undefined || !content?.ok) return;
    const { host: named, key: wrapped, header } = content.value;
    expect(hex(wrapped)).toBe('0123456789ABCDEFFEDCBA9876543210');
    expect(header.toString()).toBe('A0256K0TB00E0000');
    expect(named.equals(derSequence(parties.name('TR34 Sample CA KDH'), bytes('02053400000006')))).toBe(true);
    expect(hex(formatKeyContent(content.value))).toBe(hex(clear));
  });
});

describe('a key goes from host to device', () => {
  test('whatever symmetric key it is, with usage and optional blocks', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<['AES' | 'TDES', number]>(['AES', 16], ['TDES', 16], ['TDES', 24]),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        ([algorithm, length], material) => {
          const secret = key(algorithm, hexOf(material.subarray(0, length)));
          const optional = [{ id: 'LB', text: 'zone' }] as const;
          const token = accepted(makeKeyToken(distribution(secret, { optional }), NOW, seededRandom('x')));
          const received = accepted(take(token));
          expect(received.tolerated).toEqual([]);
          expect(received.header.usage).toBe('K1');
          expect(received.header.optionalBlocks).toEqual([{ id: 'LB', content: 'zone' }]);
          return received.key.equals(secret) && received.key.algorithm === algorithm;
        },
      ),
      { seed: 34, numRuns: 12 },
    );
  });

  test('a key over the strength of the RSA key only where both sides tolerate it', () => {
    const strong = distribution(key('AES', AES_128 + AES_128));
    const tolerate: ReadonlySet<Tr34Deviation> = new Set(['TRANSPORT_KEY_WEAKER_THAN_KEY']);
    expect(makeKeyToken(strong, NOW, seededRandom('x'))).toMatchObject({ reason: 'TR34_DEVIATION' });
    const token = accepted(makeKeyToken(strong, NOW, seededRandom('x'), { tolerate }));
    expect(take(token)).toMatchObject({ reason: 'TR34_DEVIATION', detail: 'TRANSPORT_KEY_WEAKER_THAN_KEY' });
    const received = accepted(take(token, {}, [...tolerate]));
    expect(hex(received.key)).toBe(AES_128 + AES_128);
    expect(received.tolerated).toEqual(['TRANSPORT_KEY_WEAKER_THAN_KEY']);

    const short = distribution(key('AES', AES_128), { device: boundShortDevice });
    expect(reasonOf(makeKeyToken(short, NOW, seededRandom('x')))).toBe('TR34_DEVIATION');
    const shortToken = accepted(makeKeyToken(short, NOW, seededRandom('x'), { tolerate }));
    expect(reasonOf(take(shortToken, { device: shortDevice }, [...tolerate]))).toBe('accepted');
  });

  test('the host refuses what X9.143 does not allow, and a device that no longer stands', () => {
    const secret = key('AES', AES_128);
    const refused = (changes: Partial<KeyDistribution>, at = NOW) =>
      reasonOf(makeKeyToken(distribution(secret, changes), at, seededRandom('x')));
    expect(refused({ attributes: { ...KBPK, algorithm: 'T' } })).toBe('KEY_BLOCK_ATTRIBUTE');
    expect(refused({ attributes: { ...KBPK, usage: 'ZZ' } })).toBe('KEY_BLOCK_ATTRIBUTE');
    expect(refused({ optional: [{ id: 'KS', ksn: 'no' }] })).toBe('OPTIONAL_BLOCK_CONTENT');
    expect(refused({ optional: [{ id: 'LB', text: 'x'.repeat(1100) }] })).toBe('KEY_BLOCK_LENGTH');
    expect(refused({ randomNumberToken: Buffer.alloc(4) })).toBe('TR34_MALFORMED');
    expect(refused({}, new Date('2030-01-01T00:00:00Z'))).toBe('TR34_CERTIFICATE_EXPIRED');
  });
});

describe('a device refuses', () => {
  test('nothing of a token that is forged without a fault: the control of the tests below', () => {
    expect(hex(accepted(take(forge())).key)).toBe(AES_128);
  });

  test('another random number, another host, another device', () => {
    expect(reasonOf(take(make(), { randomNumber: newRandomNumber(seededRandom('other')) }))).toBe('TR34_RANDOM_NUMBER');
    expect(reasonOf(take(make(), { randomNumber: Buffer.alloc(0) }))).toBe('TR34_RANDOM_NUMBER');
    expect(reasonOf(take(make(), { device: shortDevice }))).toBe('TR34_RECIPIENT');
    const other = { ...boundHost, certificate: { ...boundHost.certificate, identity: device.certificate.identity } };
    expect(reasonOf(take(make(), { host: other }))).toBe('TR34_SIGNER');
    expect(reasonOf(take(forge({ recipient: shortDevice.certificate.identity })))).toBe('TR34_RECIPIENT');
    expect(reasonOf(take(forge({ signing: { privateKey: parties.shortDeviceKeys.privateKey } })))).toBe(
      'TR34_SIGNATURE',
    );
  });

  test('a header or a host inside that is not the one signed outside', () => {
    expect(reasonOf(take(forge({ headerInside: Buffer.from('D0016D0AB00E0000') })))).toBe('TR34_HEADER_MISMATCH');
    expect(reasonOf(take(forge({ hostInside: device.certificate.identity })))).toBe('TR34_SIGNER');
  });

  test.each([
    ['D0016K1AB00E00', 'TR34_HEADER'],
    ['D0016K1AB00E0000X', 'TR34_HEADER'],
    ['D0016K1RB00E0000', 'TR34_DEVIATION'],
    ['D0016ZZAB00E0000', 'TR34_DEVIATION'],
    ['D0016K1TB00E0000', 'accepted'],
    ['D0016S0RS00E0000', 'TR34_HEADER'],
    [`D0016K1AB00E0001LB00040500${'x'.repeat(1270)}`, 'TR34_HEADER'],
  ])('header %.20s: %s', (header, reason) => {
    expect(reasonOf(take(forge({ headerOutside: Buffer.from(header) })))).toBe(reason);
  });

  test('a key of a length that its algorithm has not', () => {
    expect(reasonOf(take(forge({ clearKey: '0011223344' })))).toBe('KEY_LENGTH');
  });

  test.each<[string, Forgery['attributes'], string]>([
    ['no random number', (sound) => sound.filter((_, at) => at !== 2), 'TR34_ATTRIBUTE'],
    ['two random numbers', (sound) => [...sound, formatRandomNumberToken(number)], 'TR34_ATTRIBUTE'],
    [
      'a random number of two values',
      (sound) => sound.with(2, derSequence(derOid(OIDS.randomNonce), derSetOf(derOctets(number), derOctets(number)))),
      'TR34_ATTRIBUTE',
    ],
    [
      'a random number that is too short',
      (sound) => sound.with(2, formatRandomNumberToken(Buffer.alloc(7))),
      'TR34_RANDOM_NUMBER',
    ],
    ['no header', (sound) => sound.slice(0, 3), 'TR34_ATTRIBUTE'],
    ['no digest', (sound) => sound.filter((_, at) => at !== 1), 'TR34_ATTRIBUTE'],
    ['no content type', (sound) => sound.slice(1), 'TR34_ATTRIBUTE'],
    [
      'another content type',
      (sound) => sound.with(0, derAttribute(OIDS.contentType, derOid(OIDS.data))),
      'TR34_ATTRIBUTE',
    ],
    [
      'a signing time for a random number',
      (sound) => sound.with(2, derAttribute(OIDS.signingTime, parties.time('20260301000000'))),
      'TR34_NOT_SUPPORTED',
    ],
    ['none at all', () => [], 'TR34_ATTRIBUTE'],
    [
      'an unknown one beside the others',
      (sound) => [...sound, derAttribute(OIDS.signingTime, parties.time('20260301000000'))],
      'accepted',
    ],
    [
      'too many',
      (sound) => [...sound, ...Array<Buffer>(16).fill(derAttribute(OIDS.signingTime, derUnsigned(1)))],
      'TR34_MALFORMED',
    ],
  ])('attributes with %s', (_, attributes, reason) => {
    expect(reasonOf(take(forge({ ...(attributes && { attributes }) })))).toBe(reason);
  });

  test('a digest of other content', () => {
    expect(reasonOf(take(forge({ digest: sha256(Buffer.alloc(3)) })))).toBe('TR34_DIGEST');
  });

  test('weaker algorithms: OAEP with SHA-1, AES-192, RSA without OAEP', () => {
    const sha1 = derAlgorithm(Buffer.from('2b0e03021a', 'hex'));
    const weakMask = derSequence(
      derContext(0, derAlgorithm(OIDS.sha256)),
      derContext(1, derAlgorithm(OIDS.mgf1, sha1)),
    );
    expect(reasonOf(take(forge({ oaep: weakMask })))).toBe('TR34_ALGORITHM');
    expect(reasonOf(take(forge({ oaep: derSequence() })))).toBe('TR34_ALGORITHM');
    expect(reasonOf(take(forge({ cipher: 'aes192' })))).toBe('TR34_ALGORITHM');
    const oaep = Buffer.from(OIDS.rsaesOaep);
    const plain = (sound: Buffer): Buffer => {
      const changed = Buffer.from(sound);
      Buffer.from(OIDS.rsaEncryption).copy(changed, changed.indexOf(oaep));
      return changed;
    };
    expect(reasonOf(take(forge({ envelope: plain })))).toBe('TR34_ALGORITHM');
  });

  test('three-key TDEA, a bare envelope and unsorted attributes, unless they are tolerated', () => {
    const tdes = forge({ cipher: 'tdes' });
    expect(take(tdes)).toMatchObject({ reason: 'TR34_DEVIATION', detail: 'TDES_CONTENT_ENCRYPTION' });
    expect(take(tdes, {}, ['TDES_CONTENT_ENCRYPTION'])).toMatchObject({ detail: 'CONTENT_KEY_WEAKER_THAN_KEY' });
    const both: Tr34Deviation[] = ['TDES_CONTENT_ENCRYPTION', 'CONTENT_KEY_WEAKER_THAN_KEY'];
    expect(accepted(take(tdes, {}, both)).tolerated).toEqual(both);

    const bare = forge({ envelope: (sound) => sound.subarray(4) });
    expect(take(bare)).toMatchObject({ detail: 'ENVELOPE_WITHOUT_SEQUENCE' });
    expect(accepted(take(bare, {}, ['ENVELOPE_WITHOUT_SEQUENCE'])).tolerated).toEqual(['ENVELOPE_WITHOUT_SEQUENCE']);

    const unsorted = reordered(forge());
    expect(take(unsorted)).toMatchObject({ detail: 'ATTRIBUTES_NOT_SORTED' });
    expect(reasonOf(take(unsorted, {}, ['ATTRIBUTES_NOT_SORTED']))).toBe('accepted');
  });

  test('a host without a revocation list, on one, and with one that is stale, foreign or forged', () => {
    const withLists = (...revocationLists: Buffer[]) => forge({ signing: { revocationLists } });
    expect(take(withLists())).toMatchObject({ reason: 'TR34_DEVIATION', detail: 'NO_REVOCATION_LIST' });
    expect(reasonOf(take(withLists(), {}, ['NO_REVOCATION_LIST']))).toBe('accepted');
    const reason = (changes: Parameters<typeof hostList>[0]) => reasonOf(take(withLists(hostList(changes))));
    expect(reason({ revoked: [1, parties.HOST_SERIAL] })).toBe('TR34_CERTIFICATE_REVOKED');
    expect(reason({ nextUpdate: '20260228000000' })).toBe('TR34_CRL_STALE');
    expect(reason({ thisUpdate: '20260302000000' })).toBe('TR34_CRL_STALE');
    expect(reason({ nextUpdate: null })).toBe('TR34_CRL_STALE');
    expect(reason({ issuer: parties.DEVICE_AUTHORITY })).toBe('TR34_CRL');
    expect(reason({ signer: hostKeys.privateKey })).toBe('TR34_CRL');
    expect(reasonOf(take(withLists(hostList(), hostList())))).toBe('TR34_CRL');
    expect(reason({ revoked: Array.from({ length: 2001 }, (_, at) => at + 1_000_000) })).toBe('TR34_MALFORMED');
  });

  test('a host whose certificate has expired', () => {
    const late = new Date('2029-01-02T00:00:00Z');
    expect(reasonOf(acceptKeyToken(make(), reception, late))).toBe('TR34_CERTIFICATE_EXPIRED');
  });

  test('the other tokens of TR-34, by name', () => {
    const of = (contentType: Uint8Array) => take(forge({ signing: { contentType } }));
    expect(of(OIDS.signedData)).toMatchObject({ reason: 'TR34_NOT_SUPPORTED', detail: 'rebind token' });
    expect(of(OIDS.data)).toMatchObject({ reason: 'TR34_NOT_SUPPORTED', detail: 'unbind token' });
    const credential = formatCertificates([host.certificate.der], [hostList()]);
    expect(take(credential)).toMatchObject({ reason: 'TR34_NOT_SUPPORTED', detail: 'credential token' });
  });

  test('an ephemeral key of another length than the cipher, without telling which was wrong', () => {
    expect(reasonOf(take(forge({ ephemeral: Buffer.alloc(32, 1) })))).toBe('TR34_DECRYPTION');
    const broken = (sound: Buffer): Buffer => {
      const changed = Buffer.from(sound);
      changed[changed.length - 20] = (changed[changed.length - 20] ?? 0) ^ 1;
      return changed;
    };
    expect(['TR34_DECRYPTION', 'TR34_MALFORMED']).toContain(reasonOf(take(forge({ envelope: broken }))));
  });

  test('every changed byte, every cut and anything behind the end', () => {
    const token = make();
    for (let at = 0; at < token.length; at += 7) {
      const changed = Buffer.from(token);
      changed[at] = (changed[at] ?? 0) ^ 0x41;
      if (take(changed).ok) throw new Error(`accepted with byte ${at} changed`);
      if (take(token.subarray(0, at)).ok) throw new Error(`accepted when cut at ${at}`);
    }
    expect(take(Buffer.concat([token, Buffer.of(0)]))).toMatchObject({ detail: 'DER_TRAILING_BYTES' });
    expect(reasonOf(take(Buffer.alloc(70_000, 0x30)))).toBe('TR34_MALFORMED');
  });

  test('random bytes, with a reason and without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (token) => !take(token).ok),
      { seed: 34, numRuns: 300 },
    );
  });
});

/** The same token with its first two attributes in the other order, and signed so. */
function reordered(token: Buffer): Buffer {
  const marker = token.indexOf(Buffer.from(OIDS.contentType)) - 4;
  const lengths = (at: number): number => 2 + (token[at + 1] ?? 0);
  const first = token.subarray(marker, marker + lengths(marker));
  const second = token.subarray(marker + first.length, marker + first.length + lengths(marker + first.length));
  const changed = Buffer.from(token);
  Buffer.concat([second, first]).copy(changed, marker);
  const set = changed.subarray(marker - 3, changed.length);
  const size = 3 + (set[1] === 0x81 ? (set[2] ?? 0) : 0);
  const signedBytes = Buffer.from(set.subarray(0, size));
  signedBytes[0] = 0x31;
  const signature = sign('sha256', signedBytes, hostKeys.privateKey);
  signature.copy(changed, changed.length - signature.length);
  return changed;
}

const openssl = spawnSync('openssl', ['version'], { encoding: 'utf8' });
const present = openssl.status === 0;
if (!present) console.info('the check by openssl cms is skipped: openssl is not there');

(present ? describe : describe.skip)('openssl cms', () => {
  test('verifies the signature, deciphers the envelope, and finds the same key', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tr34-'));
    const file = (name: string): string => join(folder, name);
    const run = (...options: string[]) => {
      const { status, stderr } = spawnSync('openssl', ['cms', ...options], { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
    };
    try {
      writeFileSync(file('token.der'), make());
      writeFileSync(file('host.pem'), encodePem('CERTIFICATE', host.certificate.der));
      writeFileSync(file('authority.pem'), encodePem('CERTIFICATE', parties.hostAuthority.der));
      writeFileSync(file('device.pem'), encodePem('CERTIFICATE', device.certificate.der));
      writeFileSync(file('device.key'), device.privateKey.export({ type: 'pkcs8', format: 'pem' }));
      const at = ['-attime', String(NOW.getTime() / 1000)];
      const trust = ['-certfile', file('host.pem'), '-CAfile', file('authority.pem'), '-purpose', 'any', ...at];
      run('-verify', '-inform', 'DER', '-in', file('token.der'), ...trust, '-binary', '-out', file('envelope.der'));
      const envelope = readFileSync(file('envelope.der'));
      writeFileSync(file('message.der'), derSequence(derOid(OIDS.envelopedData), derContext(0, envelope)));
      const recipient = ['-recip', file('device.pem'), '-inkey', file('device.key')];
      run(
        '-decrypt',
        '-inform',
        'DER',
        '-in',
        file('message.der'),
        ...recipient,
        '-binary',
        '-out',
        file('content.der'),
      );
      const content = accepted(parseKeyContent(readFileSync(file('content.der'))));
      expect(hex(content.key)).toBe(AES_128);
      expect(content.header.toString()).toBe('D0016K1AB00E0000');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
