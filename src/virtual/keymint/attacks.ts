import type { Clock } from '../../ports/clock.ts';
import { keyUsage } from '../../x509/extensions.ts';
import { issueCertificate } from '../../x509/issue.ts';
import { createVirtualFactory, type VirtualAnchor } from './factory.ts';
import { generateKeys, signatureHashOf } from './issuers.ts';
import { encodeKeyDescription, KEY_DESCRIPTION_OID } from './key-description.ts';
import {
  type GeneratedKey,
  KEYSTORE_KEY_NAME,
  KEYSTORE_KEY_VALIDITY,
  type KeyMint,
  type KeyRequest,
} from './keymint.ts';
import type { VirtualPhoneProfile } from './profile.ts';

/** What an attacker has. */
export interface AttackSetting {
  /** The genuine KeyMint of a phone that the attacker holds. */
  readonly phone: KeyMint;
  /** What the attacker wants to be believed. */
  readonly claims: VirtualPhoneProfile;
  /** The root that the service trusts: its certificate is public. */
  readonly anchor: VirtualAnchor;
  readonly clock: Clock;
}

/**
 * A chain with a second key description below the attested key: the attacker signs a leaf of any content with a key of
 * purpose SIGN that genuine hardware attested. The new private key is in the attacker's hands.
 */
export function forgeExtension(
  attested: GeneratedKey,
  claims: VirtualPhoneProfile,
  { purpose, algorithm, challenge, bits = algorithm === 'EC' ? 256 : 2048 }: KeyRequest,
  now: Date,
): GeneratedKey {
  const { privateKey, publicKey } = generateKeys(algorithm, bits);
  const description = encodeKeyDescription(claims, { purpose, algorithm, bits, challenge }, now);
  const leaf = issueCertificate({
    subject: KEYSTORE_KEY_NAME,
    issuer: KEYSTORE_KEY_NAME,
    spki: publicKey,
    serial: Uint8Array.of(1),
    ...KEYSTORE_KEY_VALIDITY,
    extensions: [keyUsage(['digitalSignature']), { oid: KEY_DESCRIPTION_OID, critical: false, value: description }],
    signingKey: attested.privateKey,
    signatureHash: signatureHashOf(attested.privateKey),
  });
  return { privateKey, publicKey, chain: [leaf, ...attested.chain] };
}

/** A chain whose root is exchanged for the trusted one, which did not sign what lies below it. */
export function graftRoot(key: GeneratedKey, anchor: VirtualAnchor): GeneratedKey {
  return { ...key, chain: [...key.chain.slice(0, -1), anchor.certificate] };
}

/** A chain whose leaf states another challenge of the same length; its signature is left as it was. */
export function swapChallenge(key: GeneratedKey, from: Uint8Array, to: Uint8Array): GeneratedKey {
  if (from.length !== to.length || from.length === 0) throw new RangeError('both challenges have the same length');
  const [leaf, ...issuers] = key.chain;
  const changed = Buffer.from(leaf!);
  const at = changed.indexOf(from);
  if (at < 0) throw new RangeError('the leaf does not state that challenge');
  changed.set(to, at);
  return { ...key, chain: [changed, ...issuers] };
}

const oldChallenge = ({ challenge }: KeyRequest): Buffer => Buffer.alloc(challenge.length, 0x5a);

/** Names of the attacks on a chain. */
export type ChainAttackName =
  | 'forged-extension'
  | 'fake-issuer'
  | 'grafted-root'
  | 'replayed-chain'
  | 'swapped-challenge';

/** KeyMints of attackers: each answers every request with a chain that a verifier must refuse. */
export const CHAIN_ATTACKS: Readonly<Record<ChainAttackName, (setting: AttackSetting) => KeyMint>> = {
  'forged-extension': ({ phone, claims, clock }) => ({
    generateKey: (request) => {
      const attested = phone.generateKey({ purpose: 'sign', algorithm: 'EC', challenge: request.challenge });
      return forgeExtension(attested, claims, request, clock.now());
    },
  }),
  // The same names all the way up, and other keys.
  'fake-issuer': ({ claims, clock }) => createVirtualFactory(clock).provision(claims),
  'grafted-root': ({ claims, anchor, clock }) => {
    const own = createVirtualFactory(clock).provision(claims);
    return { generateKey: (request) => graftRoot(own.generateKey(request), anchor) };
  },
  'replayed-chain': ({ phone }) => {
    const recorded = new Map<string, GeneratedKey>();
    return {
      generateKey: (request) => {
        const name = `${request.purpose} ${request.algorithm} ${request.bits ?? 0}`;
        const key = recorded.get(name) ?? phone.generateKey({ ...request, challenge: oldChallenge(request) });
        recorded.set(name, key);
        return key;
      },
    };
  },
  'swapped-challenge': ({ phone }) => ({
    generateKey: (request) => {
      const challenge = oldChallenge(request);
      return swapChallenge(phone.generateKey({ ...request, challenge }), challenge, request.challenge);
    },
  }),
};
