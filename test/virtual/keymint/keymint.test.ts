import { createPublicKey, sign, verify, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { decodePem } from '../../../src/encoding/pem.ts';
import { createVirtualFactory, loadVirtualFactory } from '../../../src/virtual/keymint/factory.ts';
import { PROVISIONING_INFO_OID } from '../../../src/virtual/keymint/issuers.ts';
import { encodeKeyDescription, KEY_DESCRIPTION_OID } from '../../../src/virtual/keymint/key-description.ts';
import type { KeyRequest } from '../../../src/virtual/keymint/keymint.ts';
import type { VirtualPhoneProfile } from '../../../src/virtual/keymint/profile.ts';
import {
  HOSTILE_PROFILES,
  type HonestProfileName,
  type HostileProfileName,
  honestProfiles,
  VIRTUAL_APPLICATION,
} from '../../../src/virtual/keymint/profiles.ts';
import { integersOf, readDescription } from './description.ts';
import { asn1parse, extensionOf, opensslPresent } from './openssl.ts';

const NOW = new Date('2026-10-15T12:00:00Z');
const CLOCK = { now: () => NOW };
const factory = createVirtualFactory(CLOCK);
const honest = honestProfiles(NOW);
const CHALLENGE = Buffer.alloc(32, 0xc7);
const SIGN: KeyRequest = { purpose: 'sign', algorithm: 'EC', challenge: CHALLENGE };
const withOpenssl = opensslPresent ? describe : describe.skip;

/** Links of the chain whose signature does not verify under the next certificate; the root under itself. */
function brokenLinks(chain: readonly Buffer[]): number[] {
  const certificates = chain.map((der) => new X509Certificate(der));
  return certificates.flatMap((certificate, index) => {
    const issuer = certificates[index + 1] ?? certificate;
    return certificate.verify(issuer.publicKey) ? [] : [index];
  });
}

function chainOf(profile: VirtualPhoneProfile, request: KeyRequest = SIGN): readonly Buffer[] {
  return factory.provision(profile).generateKey(request).chain;
}

function descriptionOf(profile: VirtualPhoneProfile, request: KeyRequest = SIGN) {
  return readDescription(extensionOf(chainOf(profile, request)[0]!, KEY_DESCRIPTION_OID)!);
}

describe('a virtual chain', () => {
  test.each(Object.keys(honest) as HonestProfileName[])('%s: every certificate is signed by the next', (name) => {
    const chain = chainOf(honest[name]);
    expect(brokenLinks(chain)).toEqual([]);
    expect(chain.at(-1)).toEqual(factory.anchor.certificate);
    const names = chain.map((der) => new X509Certificate(der));
    for (let index = 0; index + 1 < names.length; index += 1) {
      expect(names[index]!.issuer).toBe(names[index + 1]!.subject);
    }
  });

  test('has the leaf of a real phone: serial 1, its name, 1970 to 2048', () => {
    const leaf = new X509Certificate(chainOf(honest.tee)[0]!);
    expect(leaf.serialNumber).toBe('01');
    expect(leaf.subject).toBe('CN=Android Keystore Key');
    expect(leaf.validFromDate.toISOString()).toBe('1970-01-01T00:00:00.000Z');
    expect(leaf.validToDate.toISOString()).toBe('2048-01-01T00:00:00.000Z');
  });

  test('certifies the key that it answers', () => {
    const key = factory.provision(honest.strongbox).generateKey(SIGN);
    const signature = sign('sha256', Buffer.from('message'), key.privateKey);
    const certified = new X509Certificate(key.chain[0]!).publicKey;
    expect(certified.export({ type: 'spki', format: 'der' })).toEqual(key.publicKey);
    expect(verify('sha256', Buffer.from('message'), certified, signature)).toBe(true);
  });

  test('of a factory: intermediates of years, one attestation key for the whole batch', () => {
    const [, batch] = chainOf(honest.tee).map((der) => new X509Certificate(der));
    const [, again] = chainOf(honest.tee).map((der) => new X509Certificate(der));
    expect(again!.fingerprint256).toBe(batch!.fingerprint256);
    const years = (batch!.validToDate.getTime() - batch!.validFromDate.getTime()) / (365 * 86_400_000);
    expect(years).toBe(10);
  });

  test('of an old phone: an RSA batch key whose certificate has expired', () => {
    const [, batch] = chainOf(honest['old-keymaster']).map((der) => new X509Certificate(der));
    expect(batch!.publicKey.asymmetricKeyType).toBe('rsa');
    expect(batch!.validToDate.getTime()).toBeLessThan(NOW.getTime());
  });

  test('of RKP: a certificate of two weeks, of this phone alone', () => {
    const [, mine] = chainOf(honest.rkp).map((der) => new X509Certificate(der));
    const [, other] = chainOf(honest.rkp).map((der) => new X509Certificate(der));
    expect(other!.fingerprint256).not.toBe(mine!.fingerprint256);
    expect(mine!.validToDate.getTime()).toBeGreaterThan(NOW.getTime());
    expect(mine!.validToDate.getTime() - mine!.validFromDate.getTime()).toBeLessThan(15 * 86_400_000);
  });

  test('of RKP gone stale has certificates that are no longer valid', () => {
    const [, mine] = chainOf(HOSTILE_PROFILES['expired-rkp'](honest.rkp)).map((der) => new X509Certificate(der));
    expect(mine!.validToDate.getTime()).toBeLessThan(NOW.getTime());
  });

  test('by an attest key holds two descriptions, the upper one of purpose ATTEST_KEY', () => {
    const keymint = factory.provision(honest.tee);
    const attestKey = keymint.generateKey({ purpose: 'attest', algorithm: 'EC', challenge: CHALLENGE });
    const { chain } = keymint.generateKey({ ...SIGN, attestKey });
    expect(brokenLinks(chain)).toEqual([]);
    expect(chain.slice(1)).toEqual(attestKey.chain);
  });
});

describe('a factory', () => {
  test('has a self-signed P-384 root', () => {
    const root = new X509Certificate(factory.anchor.certificate);
    expect(root.verify(root.publicKey)).toBe(true);
    expect(root.publicKey.asymmetricKeyDetails?.namedCurve).toBe('secp384r1');
    expect(createPublicKey({ key: factory.anchor.publicKey, format: 'der', type: 'spki' }).equals(root.publicKey)).toBe(
      true,
    );
  });

  test('loaded from its files makes phones of the same root', () => {
    const loaded = loadVirtualFactory(factory.store(), CLOCK);
    if (!loaded.ok) throw new Error(loaded.reason);
    expect(loaded.value.anchor).toEqual(factory.anchor);
    const { chain } = loaded.value.provision(honest.tee).generateKey(SIGN);
    expect(brokenLinks(chain)).toEqual([]);
  });

  test.each([
    ['another key', { key: createVirtualFactory(CLOCK).store().key }, 'FACTORY_KEY_MISMATCH'],
    ['no key', { key: 'none' }, 'FACTORY_MALFORMED'],
    ['no certificate', { certificate: 'none' }, 'FACTORY_MALFORMED'],
    ['half a certificate', { certificate: factory.store().certificate.slice(0, 200) }, 'FACTORY_MALFORMED'],
  ])('with %s is not loaded', (_, over, reason) => {
    expect(loadVirtualFactory({ ...factory.store(), ...over }, CLOCK)).toMatchObject({ ok: false, reason });
  });
});

describe('what no such phone generates', () => {
  const keymint = factory.provision(honest.tee);
  const old = factory.provision(honest['old-keymaster']);
  test.each<[string, () => unknown]>([
    ['an RSA key for key agreement', () => keymint.generateKey({ ...SIGN, purpose: 'agree', algorithm: 'RSA' })],
    ['an RSA key of 1024 bits', () => keymint.generateKey({ ...SIGN, algorithm: 'RSA', bits: 1024 })],
    ['a challenge of 129 bytes', () => keymint.generateKey({ ...SIGN, challenge: Buffer.alloc(129) })],
    ['key agreement in Keymaster', () => old.generateKey({ ...SIGN, purpose: 'agree' })],
    ['a profile without a date', () => factory.provision({ ...honest.tee, provisionedAt: 'yesterday' })],
  ])('%s', (_, attempt) => {
    expect(attempt).toThrow(RangeError);
  });
});

withOpenssl('the key description, read by OpenSSL', () => {
  test('states the phone and the key', () => {
    const read = descriptionOf(honest.strongbox);
    expect(read).toMatchObject({ version: 300, level: 2, keymintVersion: 300, challenge: CHALLENGE.toString('hex') });
    expect(integersOf(read.software, 701)).toEqual([NOW.getTime()]);
    expect(integersOf(read.hardware, 1)).toEqual([2]);
    expect(integersOf(read.hardware, 2)).toEqual([3]);
    expect(integersOf(read.hardware, 3)).toEqual([256]);
    expect(integersOf(read.hardware, 10)).toEqual([1]);
    expect(integersOf(read.hardware, 702)).toEqual([0]);
    expect(integersOf(read.hardware, 705)).toEqual([150_000]);
    expect(integersOf(read.hardware, 706)).toEqual([202_609]);
    expect(integersOf(read.hardware, 718)).toEqual([20_260_905]);
    expect(integersOf(read.hardware, 719)).toEqual([20_260_905]);
    expect(read.hardware.has(503)).toBe(true);
  });

  test('lists authorizations in ascending order, each in the right list', () => {
    const read = descriptionOf(honest.rkp);
    expect(read.softwareOrder).toEqual([701, 709]);
    expect(read.hardwareOrder).toEqual([1, 2, 3, 5, 10, 503, 702, 704, 705, 706, 718, 719]);
  });

  test('names the application by package, version and signer', () => {
    const read = descriptionOf(honest.tee);
    const identifier = Buffer.from(read.software.get(709)![0]!.value, 'hex');
    const octets = asn1parse(identifier).filter((line) => line.tag === 'OCTET STRING');
    expect(octets.map((line) => line.value)).toEqual([
      VIRTUAL_APPLICATION.packageName,
      VIRTUAL_APPLICATION.signerDigest.toUpperCase(),
    ]);
  });

  test('states the root of trust', () => {
    const lines = descriptionOf(honest.tee).hardware.get(704)!;
    expect(lines.map((line) => [line.tag, line.value])).toEqual([
      ['SEQUENCE', ''],
      ['OCTET STRING', honest.tee.verifiedBootKey.toUpperCase()],
      ['BOOLEAN', '255'],
      ['ENUMERATED', '00'],
      ['OCTET STRING', honest.tee.verifiedBootHash.toUpperCase()],
    ]);
  });

  test('before version 3 has neither boot hash nor patch levels of the partitions', () => {
    const read = descriptionOf({ ...honest['old-keymaster'], attestationVersion: 2, keymintVersion: 3 });
    expect(read.version).toBe(2);
    expect(read.hardware.has(718)).toBe(false);
    expect(read.hardware.get(704)).toHaveLength(4);
  });

  test.each<[KeyRequest['purpose'], 'EC' | 'RSA', number[], number[]]>([
    ['agree', 'EC', [6], [1, 2, 3, 10, 503, 702]],
    ['attest', 'EC', [7], [1, 2, 3, 10, 503, 702]],
    ['decrypt', 'RSA', [1], [1, 2, 3, 5, 6, 200, 203, 503, 702]],
    ['wrap', 'RSA', [5], [1, 2, 3, 5, 6, 200, 203, 503, 702]],
    ['sign', 'RSA', [2], [1, 2, 3, 5, 6, 200, 503, 702]],
  ])('of a key for %s (%s)', (purpose, algorithm, purposes, tags) => {
    const bits = algorithm === 'EC' ? 256 : 2048;
    const described = { purpose, algorithm, bits, challenge: CHALLENGE };
    const read = readDescription(encodeKeyDescription(honest.tee, described, NOW));
    expect(integersOf(read.hardware, 1)).toEqual(purposes);
    expect(integersOf(read.hardware, 3)).toEqual([bits]);
    expect(read.hardwareOrder.filter((tag) => tag < 704)).toEqual(tags);
  });

  test('of software enforces everything in software', () => {
    const read = descriptionOf(HOSTILE_PROFILES['software-only'](honest.tee));
    expect(read.level).toBe(0);
    expect(read.hardwareOrder).toEqual([]);
    expect(read.softwareOrder).toContain(704);
  });

  test('without an application has no application id', () => {
    expect(descriptionOf({ ...honest.tee, application: null }).software.has(709)).toBe(false);
  });

  test('of RKP is followed by provisioning information in the certificate above', () => {
    const [leaf, above] = chainOf(honest.rkp);
    expect(extensionOf(above!, PROVISIONING_INFO_OID)).toEqual(Buffer.from([0xa1, 0x01, 0x03]));
    expect(extensionOf(leaf!, PROVISIONING_INFO_OID)).toBeNull();
    expect(extensionOf(chainOf(honest.tee)[1]!, PROVISIONING_INFO_OID)).toBeNull();
  });

  test.each<[HostileProfileName, (read: ReturnType<typeof readDescription>) => unknown, unknown]>([
    [
      'unlocked',
      (read) =>
        read.hardware
          .get(704)!
          .map(({ value }) => value)
          .slice(2, 4),
      ['0', '02'],
    ],
    [
      'unverified-boot',
      (read) =>
        read.hardware
          .get(704)!
          .map(({ value }) => value)
          .slice(2, 4),
      ['255', '02'],
    ],
    [
      'self-signed-os',
      (read) =>
        read.hardware
          .get(704)!
          .map(({ value }) => value)
          .slice(2, 4),
      ['255', '01'],
    ],
    ['stale-patch', (read) => integersOf(read.hardware, 706), [202_309]],
    ['unknown-patch', (read) => [706, 718, 719].flatMap((tag) => integersOf(read.hardware, tag)), [0, 0, 0]],
    ['emulator', (read) => [read.level, read.hardwareOrder.length], [0, 0]],
    [
      'repackaged-app',
      (read) => read.software.get(709)![0]!.value.includes(VIRTUAL_APPLICATION.signerDigest.toUpperCase()),
      false,
    ],
  ])('of a hostile phone: %s', (name, seen, expected) => {
    expect(seen(descriptionOf(HOSTILE_PROFILES[name](honest.tee)))).toEqual(expected);
  });
});

const vectors = process.env.TAPGATE_VECTORS ?? join(import.meta.dirname, '../../../../shared/vectors');
const realChain = join(vectors, 'attestation', 'GrapheneOS_AttestationSamples_Pixel_3a_tee.pem');
const withVectors = opensslPresent && existsSync(realChain) ? describe : describe.skip;
if (withVectors === describe.skip) console.info('skipped: comparison with a real chain (no vectors, or no openssl)');

withVectors('beside a real phone of the same version', () => {
  const skeleton = (der: Uint8Array) => {
    const read = readDescription(der);
    const tags = (list: typeof read.hardware) =>
      [...list].map(([tag, lines]) => [tag, [...new Set(lines.map((line) => `${line.depth} ${line.tag}`))]]);
    return { version: read.version, software: tags(read.software), hardware: tags(read.hardware) };
  };

  test('the description has the same shape, tag by tag', () => {
    const real = decodePem(readFileSync(realChain, 'utf8'), 'CERTIFICATE', 65_536);
    if (!real.ok) throw new Error(real.reason);
    const genuine = extensionOf(real.value[0]!, KEY_DESCRIPTION_OID)!;
    const profile = { ...honest.tee, attestationVersion: 3, keymintVersion: 4 };
    const virtual = encodeKeyDescription(profile, { ...SIGN, algorithm: 'EC', bits: 256 }, NOW);
    expect(skeleton(virtual)).toEqual(skeleton(genuine));
  });
});
