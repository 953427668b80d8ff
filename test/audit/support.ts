import { type CheckpointSigner, NO_CHECKPOINT } from '../../src/audit/checkpoint.ts';
import { type KnownOutside, LogVerification } from '../../src/audit/verification.ts';
import {
  type KeyEndorsement,
  publishedKeyPayload,
  type TrustedAnchors,
  trustedAnchors,
} from '../../src/encoding/published-key.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { ok } from '../../src/reasons/result.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';

/** What an anchor says of a published key. */
export function endorsementBy(anchor: SigningKey, purpose: string, publicKey: Buffer): KeyEndorsement {
  const { signature } = anchor.sign(CONTEXT.publishedKey, publishedKeyPayload(purpose, publicKey));
  return { anchorId: anchor.thumbprint, signature: Buffer.from(signature) };
}

/** Anchors as an auditor trusts them. */
export function anchorsOf(...anchors: readonly SigningKey[]): TrustedAnchors {
  const trusted = trustedAnchors(anchors.map(({ spki }) => spki));
  if (trusted === null) throw new Error('not an anchor');
  return trusted;
}

/** An audit key with what is published of it, endorsed by an anchor where one is given. */
export function auditKey(anchor: SigningKey | null = null) {
  const named = signingKey();
  const key: SigningKey = {
    ...named,
    sign: (context, payload) => ({ ...named.sign(context, payload), keyId: named.thumbprint }),
  };
  const endorsements = anchor === null ? [] : [endorsementBy(anchor, 'audit', key.spki)];
  const seen = { keyId: key.thumbprint, purpose: 'audit', publicKey: key.spki, endorsements };
  const signer: CheckpointSigner = {
    signCheckpoint: async (payload) => ok(key.sign(CONTEXT.auditCheckpoint, payload)),
  };
  return { key, seen, signer };
}

/** A verification that knows nothing but what is given. */
export function verification(known: Partial<KnownOutside> = {}): LogVerification {
  return new LogVerification({
    auditKeys: null,
    anchors: null,
    namedKeys: new Set(),
    receiptTexts: [],
    checkpoints: [],
    receipts: new Map(),
    chainedWithinSeconds: null,
    ...known,
  });
}

/** Before the first checkpoint. */
export const FIRST = { name: NO_CHECKPOINT, entries: 0n };
