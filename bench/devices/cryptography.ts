import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { type AnchorSet, anchorFromCertificate, createAnchorSet } from '../../src/attestation/android/anchors.ts';
import { CONTEXT, signingInput } from '../../src/encoding/signed.ts';
import type { VirtualFactory } from '../../src/virtual/keymint/factory.ts';
import { linksOf } from '../attestation/chains.ts';
import type { EndedExchange } from './phones.ts';

/** One signature check under a key that is ready. */
export interface BareCheck {
  readonly hash: string;
  readonly bytes: Uint8Array;
  /** ECDSA: DER. */
  readonly signature: Uint8Array;
  readonly key: KeyObject;
}

/** The signature checks that one exchange asks for. */
export interface BareExchange {
  /** Every link of its chains, up to the anchor. */
  readonly chains: readonly BareCheck[];
  /** Of these, what no earlier exchange has had checked: leaves, and a new phone's own attestation key, once. */
  readonly unseen: readonly BareCheck[];
  /** By the session key and by the device key. */
  readonly evidence: readonly BareCheck[];
  /** The signing input of the token. */
  readonly token: Buffer;
}

/** The root of virtual phones as an anchor. */
export function anchorOf({ anchor }: Pick<VirtualFactory, 'anchor'>): AnchorSet {
  const parsed = anchorFromCertificate(anchor.name, anchor.certificate);
  if (!parsed.ok) throw new Error(parsed.reason);
  return createAnchorSet([parsed.value]);
}

/** The links of a chain as bare checks, the leaf's first. */
export function chainChecks(chain: readonly Buffer[], anchors: AnchorSet): readonly BareCheck[] {
  return linksOf(chain, anchors).map(({ hash, tbs, signature, key }) => ({ hash, bytes: tbs, signature, key }));
}

const publicKeyOf = (spki: Buffer): KeyObject => createPublicKey({ key: spki, format: 'der', type: 'spki' });

/** What exchanges ask to be checked; remembers which certificates earlier ones have shown. */
export class BareExchanges {
  readonly #anchors: AnchorSet;
  readonly #seen = new Set<string>();

  constructor(anchors: AnchorSet) {
    this.#anchors = anchors;
  }

  of({ phone, evidence, transcript, sessionKey, token }: EndedExchange): BareExchange {
    const { sessionKeyChain, deviceKeyChain, posture, sessionSignature, deviceSignature } = evidence;
    const chains = [sessionKeyChain, deviceKeyChain]
      .filter((chain) => chain.length > 0)
      .flatMap((chain) => chainChecks(chain, this.#anchors));
    const bySession = signingInput(CONTEXT.evidence, Buffer.concat([transcript, posture]));
    const byDevice = signingInput(CONTEXT.deviceKey, transcript);
    return {
      chains,
      unseen: chains.filter(({ signature }) => this.#isNew(signature)),
      evidence: [
        { hash: 'sha256', bytes: bySession, signature: sessionSignature, key: publicKeyOf(sessionKey) },
        { hash: 'sha256', bytes: byDevice, signature: deviceSignature, key: publicKeyOf(phone.deviceKey.publicKey) },
      ],
      token: Buffer.from(token.slice(0, token.lastIndexOf('.'))),
    };
  }

  #isNew(signature: Uint8Array): boolean {
    const name = Buffer.from(signature).toString('base64');
    if (this.#seen.has(name)) return false;
    this.#seen.add(name);
    return true;
  }
}

/** Makes the checks; throws where one fails. */
export function makeChecks(checks: readonly BareCheck[]): void {
  for (const { hash, bytes, signature, key } of checks) {
    if (!verify(hash, bytes, key, signature)) throw new Error('a signature of the bench does not verify');
  }
}

/** Signs as the service signs a token: ES256. */
export function tokenSigning(): (input: Buffer) => void {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return (input) => void sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' });
}
