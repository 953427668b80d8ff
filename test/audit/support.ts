import { type CheckpointSigner, NO_CHECKPOINT } from '../../src/audit/checkpoint.ts';
import { type KnownOutside, LogVerification } from '../../src/audit/verification.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { ok } from '../../src/reasons/result.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';

/** An audit key with what is published of it. */
export function auditKey() {
  const named = signingKey();
  const key: SigningKey = {
    ...named,
    sign: (context, payload) => ({ ...named.sign(context, payload), keyId: named.thumbprint }),
  };
  const seen = { keyId: key.thumbprint, purpose: 'audit', publicKey: key.spki };
  const signer: CheckpointSigner = {
    signCheckpoint: async (payload) => ok(key.sign(CONTEXT.auditCheckpoint, payload)),
  };
  return { key, seen, signer };
}

/** A verification that knows nothing but what is given. */
export function verification(known: Partial<KnownOutside> = {}): LogVerification {
  return new LogVerification({ auditKeys: null, checkpoints: [], receipts: new Map(), ...known });
}

/** Before the first checkpoint. */
export const FIRST = { name: NO_CHECKPOINT, entries: 0n };
