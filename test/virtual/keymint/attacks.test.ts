import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { CHAIN_ATTACKS, type ChainAttackName, swapChallenge } from '../../../src/virtual/keymint/attacks.ts';
import { createVirtualFactory } from '../../../src/virtual/keymint/factory.ts';
import { KEY_DESCRIPTION_OID } from '../../../src/virtual/keymint/key-description.ts';
import type { KeyRequest } from '../../../src/virtual/keymint/keymint.ts';
import { HOSTILE_PROFILES, honestProfiles } from '../../../src/virtual/keymint/profiles.ts';
import { readDescription } from './description.ts';
import { extensionOf, opensslPresent } from './openssl.ts';

const NOW = new Date('2026-10-15T12:00:00Z');
const clock = { now: () => NOW };
const factory = createVirtualFactory(clock);
const claims = honestProfiles(NOW).tee;
const request: KeyRequest = { purpose: 'sign', algorithm: 'EC', challenge: Buffer.alloc(32, 0xc7) };

function attack(name: ChainAttackName) {
  const phone = factory.provision(HOSTILE_PROFILES.unlocked(claims));
  return CHAIN_ATTACKS[name]({ phone, claims, anchor: factory.anchor, clock });
}

/** For each link, whether its signature verifies under the next certificate. */
function links(chain: readonly Buffer[]): boolean[] {
  const certificates = chain.map((der) => new X509Certificate(der));
  return certificates.map((certificate, index) =>
    certificate.verify((certificates[index + 1] ?? certificate).publicKey),
  );
}

const stated = (certificate: Buffer) => readDescription(extensionOf(certificate, KEY_DESCRIPTION_OID)!);
const withOpenssl = opensslPresent ? test : test.skip;

describe('attacks on a chain', () => {
  withOpenssl('a forged extension: all signatures hold, and two certificates describe a key', () => {
    const { chain } = attack('forged-extension').generateKey(request);
    expect(links(chain)).toEqual(chain.map(() => true));
    expect(chain.at(-1)).toEqual(factory.anchor.certificate);
    const [forged, attested] = chain.map((der) => extensionOf(der, KEY_DESCRIPTION_OID)).map((der) => der !== null);
    expect([forged, attested]).toEqual([true, true]);
    expect(stated(chain[0]!).hardware.get(704)![2]!.value).toBe('255');
    expect(stated(chain[1]!).hardware.get(704)![2]!.value).toBe('0');
  });

  test('a fake issuer: the same names, and another root', () => {
    const { chain } = attack('fake-issuer').generateKey(request);
    expect(links(chain)).toEqual(chain.map(() => true));
    const root = new X509Certificate(chain.at(-1)!);
    const genuine = new X509Certificate(factory.anchor.certificate);
    expect(root.subject).toBe(genuine.subject);
    expect(root.publicKey.equals(genuine.publicKey)).toBe(false);
  });

  test('a grafted root: the trusted root, which did not sign what lies below it', () => {
    const { chain } = attack('grafted-root').generateKey(request);
    expect(chain.at(-1)).toEqual(factory.anchor.certificate);
    expect(links(chain)).toEqual(chain.map((_, index) => index !== chain.length - 2));
  });

  test('a replayed chain: the same for every challenge', () => {
    const replaying = attack('replayed-chain');
    const first = replaying.generateKey(request);
    const second = replaying.generateKey({ ...request, challenge: Buffer.alloc(32, 0x11) });
    expect(second).toBe(first);
    expect(first.chain[0]!.includes(Buffer.from(request.challenge))).toBe(false);
  });

  test('a swapped challenge: the right one in the leaf, and a signature that does not hold', () => {
    const { chain } = attack('swapped-challenge').generateKey(request);
    expect(chain[0]!.includes(Buffer.from(request.challenge))).toBe(true);
    expect(links(chain)).toEqual(chain.map((_, index) => index !== 0));
  });

  test('a challenge is swapped only for one of its length that the leaf states', () => {
    const key = factory.provision(claims).generateKey(request);
    expect(() => swapChallenge(key, request.challenge, Buffer.alloc(31))).toThrow(RangeError);
    expect(() => swapChallenge(key, Buffer.alloc(32, 0x99), Buffer.alloc(32))).toThrow(RangeError);
  });
});
