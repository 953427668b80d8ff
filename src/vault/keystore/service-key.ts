import { isEndorsed, type KeyEndorsement, publishedKeyPayload } from '../../encoding/published-key.ts';
import { CONTEXT, type SignedBytes, signingInput, verifySigned } from '../../encoding/signed.ts';
import { ServiceAnchor, ServiceKey } from '../../gen/tapgate/v1/signed.ts';
import type { SlotKind } from '../../keys/kind.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { KeystoreFault } from './fault.ts';
import type { SigningKey } from './signing-key.ts';
import type { Slot } from './slot.ts';

/** A service key that phones know by the anchor's endorsement. */
export interface EndorsedKey {
  readonly endorsement: SignedBytes;
  /** Unix time in seconds. */
  readonly notAfter: number;
}

/** Endorses a service key by the anchor: what a slot keeps of it. `notAfter` is Unix time in whole seconds. */
export function endorse(anchor: SigningKey, key: SigningKey, notAfter: number): NonNullable<Slot['endorsement']> {
  const message = { keyId: key.keyId, publicKey: key.spki, notAfter: BigInt(notAfter) };
  const payload = Buffer.from(ServiceKey.encode(message).finish());
  const signature = anchor.sign(signingInput(CONTEXT.serviceKey, payload));
  return { payload: payload.toString('base64url'), signature: signature.toString('base64url') };
}

/** The anchor's word that a key is this vault's, for what its kind signs: what its slot keeps. */
export function endorsePublished(anchor: SigningKey, kind: SlotKind, key: SigningKey): string {
  const input = signingInput(CONTEXT.publishedKey, publishedKeyPayload(kind, key.spki));
  return anchor.sign(input).toString('base64url');
}

/** Reads what a slot keeps of the anchor's word, and checks it; null where the slot has none. */
export function readPublished(
  { id, kind, published }: Pick<Slot, 'id' | 'kind' | 'published'>,
  anchor: SigningKey,
  key: SigningKey,
): Result<KeyEndorsement | null, KeystoreFault> {
  if (published === undefined) return ok(null);
  const endorsement = { anchorId: anchor.keyId, signature: Buffer.from(published, 'base64url') };
  const said = { purpose: kind, publicKey: key.spki, endorsements: [endorsement] };
  return isEndorsed(said, new Map([[anchor.keyId, anchor.publicKey]]))
    ? ok(endorsement)
    : refuse('KEYSTORE_CORRUPT', `endorsement of ${id}`);
}

/** Endorses a new anchor by the one before it: what the new one's slot keeps. Phones follow from one to the other. */
export function endorseAnchor(before: SigningKey, anchor: SigningKey): NonNullable<Slot['endorsement']> {
  const payload = Buffer.from(ServiceAnchor.encode({ keyId: anchor.keyId, publicKey: anchor.spki }).finish());
  const signature = before.sign(signingInput(CONTEXT.serviceAnchor, payload));
  return { payload: payload.toString('base64url'), signature: signature.toString('base64url') };
}

/** The links from the first anchor of a keystore to the one that is active, in their order. */
export function anchorLinksOf(slots: readonly Slot[]): SignedBytes[] {
  // A new anchor's slot is put behind those before it, and slots are never moved.
  return slots.flatMap(({ kind, endorsement }) =>
    kind !== 'anchor' || endorsement === undefined
      ? []
      : [
          {
            payload: Buffer.from(endorsement.payload, 'base64url'),
            signature: Buffer.from(endorsement.signature, 'base64url'),
            keyId: '',
          },
        ],
  );
}

/** Until when an endorsed service key signs; undefined without an endorsement. */
export function endOf(stored: Slot['endorsement']): Date | undefined {
  if (stored === undefined) return undefined;
  return new Date(Number(ServiceKey.decode(Buffer.from(stored.payload, 'base64url')).notAfter) * 1000);
}

/** Reads an endorsement and checks that the anchor made it for exactly this key. */
export function readEndorsement(
  stored: Slot['endorsement'],
  anchor: SigningKey,
  key: SigningKey,
): Result<EndorsedKey, KeystoreFault> {
  const endorsement: SignedBytes = {
    payload: Buffer.from(stored?.payload ?? '', 'base64url'),
    signature: Buffer.from(stored?.signature ?? '', 'base64url'),
    keyId: anchor.keyId,
  };
  if (!verifySigned(CONTEXT.serviceKey, endorsement, anchor.publicKey)) {
    return refuse('KEYSTORE_CORRUPT', `endorsement of ${key.keyId}`);
  }
  const { keyId, publicKey, notAfter } = ServiceKey.decode(endorsement.payload);
  const same = keyId === key.keyId && publicKey.equals(key.spki);
  return same ? ok({ endorsement, notAfter: Number(notAfter) }) : refuse('KEYSTORE_CORRUPT', `endorsement of ${keyId}`);
}
