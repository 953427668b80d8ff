import type { KeyObject } from 'node:crypto';
import { p256PublicKey, p256Thumbprint } from '../../encoding/p256.ts';
import { isEndorsed, type KeyEndorsement } from '../../encoding/published-key.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../../encoding/signed.ts';
import { ServiceAnchor, ServiceKey } from '../../gen/tapgate/v1/signed.ts';
import { type DescribeKeysAnswer, SigningPurpose } from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { SlotState } from '../../keys/state.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { decodeMessage } from '../../wire/decode.ts';
import { slotStateFromWire } from '../../wire/key-slot.ts';

/** What one of the vault's keys signs. */
export type VaultKeyPurpose = 'device-token' | 'receipt' | 'grant' | 'audit';

/** A public key of the vault. */
export interface VaultSigningKey {
  /** RFC 7638 thumbprint. */
  readonly keyId: string;
  readonly purpose: VaultKeyPurpose;
  readonly key: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly state: SlotState;
  /** The anchor's word that the key is this vault's; none for a key of before that. */
  readonly endorsements: readonly KeyEndorsement[];
}

/** What may be known of the vault's keys. */
export interface VaultDescription {
  readonly signingKeys: readonly VaultSigningKey[];
  /**
   * What phones are told: ServiceAnchor messages that lead from earlier anchors to this one, then endorsements: ServiceKey
   * messages under CONTEXT.serviceKey, signed by the anchor.
   */
  readonly serviceKeys: readonly SignedBytes[];
  /** Until when the key signs that grants, PIN grants and offers are signed with; null where there is none. */
  readonly serviceKeyUntil: Date | null;
  /** The anchor that ships in the app: SubjectPublicKeyInfo, DER. */
  readonly anchor: Buffer;
  /** 4 bytes each. */
  readonly bdkIds: { readonly pin: Buffer; readonly accountData: Buffer };
  /** Acquirers that have zone keys. */
  readonly acquirers: readonly string[];
  /** How often the keystore has been changed. */
  readonly generation: bigint;
}

const PURPOSES = new Map<SigningPurpose, VaultKeyPurpose>([
  [SigningPurpose.DEVICE_TOKEN, 'device-token'],
  [SigningPurpose.RECEIPT, 'receipt'],
  [SigningPurpose.GRANT, 'grant'],
  [SigningPurpose.AUDIT, 'audit'],
]);

/** True where each link is signed by the anchor that the one before names, and the last one names the anchor. */
function leadTo(anchor: Buffer, links: readonly SignedBytes[]): boolean {
  let by: KeyObject | null = null;
  let last: Buffer | null = null;
  for (const link of links) {
    if (by !== null && !verifySigned(CONTEXT.serviceAnchor, link, by)) return false;
    const named = decodeMessage(ServiceAnchor, link.payload);
    if (!named.ok) return false;
    last = named.value.publicKey;
    by = p256PublicKey(last);
    if (by === null) return false;
  }
  return last === null || last.equals(anchor);
}

function untilOf(keys: readonly VaultSigningKey[], endorsements: readonly SignedBytes[]): Date | null {
  const active = keys.find(({ purpose, state }) => purpose === 'grant' && state === 'active');
  for (const { payload } of endorsements) {
    const endorsed = decodeMessage(ServiceKey, payload);
    if (endorsed.ok && endorsed.value.keyId === active?.keyId) return new Date(Number(endorsed.value.notAfter) * 1000);
  }
  return null;
}

/** Reads a description; one whose keys or endorsements do not hold together is VAULT_UNAVAILABLE. */
export function readDescription(answer: DescribeKeysAnswer): Result<VaultDescription, 'VAULT_UNAVAILABLE'> {
  const anchor = p256PublicKey(answer.anchor);
  if (anchor === null) return refuse('VAULT_UNAVAILABLE', 'anchor');
  if (!answer.serviceKeys.every((endorsement) => verifySigned(CONTEXT.serviceKey, endorsement, anchor))) {
    return refuse('VAULT_UNAVAILABLE', 'endorsement');
  }
  if (!leadTo(answer.anchor, answer.anchorLinks)) return refuse('VAULT_UNAVAILABLE', 'anchor link');
  const signingKeys: VaultSigningKey[] = [];
  const anchors = new Map([[p256Thumbprint(answer.anchor) ?? '', anchor]]);
  for (const told of answer.signingKeys) {
    const { keyId, publicKey, endorsement } = told;
    const purpose = PURPOSES.get(told.purpose);
    const state = slotStateFromWire(told.state);
    const key = p256PublicKey(publicKey);
    if (purpose === undefined || state === null || key === null || p256Thumbprint(publicKey) !== keyId) {
      return refuse('VAULT_UNAVAILABLE', 'signing key');
    }
    const endorsements = [...anchors.keys()].map((anchorId) => ({ anchorId, signature: endorsement }));
    const isSaid = endorsement.length > 0;
    if (isSaid && !isEndorsed({ purpose, publicKey, endorsements }, anchors))
      return refuse('VAULT_UNAVAILABLE', 'endorsement of a signing key');
    signingKeys.push({ keyId, purpose, key, publicKey, state, endorsements: isSaid ? endorsements : [] });
  }
  const serviceKeyUntil = untilOf(signingKeys, answer.serviceKeys);
  const serviceKeys = [...answer.anchorLinks, ...answer.serviceKeys];
  const { pinBdkId, accountDataBdkId, acquirers, generation } = answer;
  if (pinBdkId.length !== 4 || accountDataBdkId.length !== 4) return refuse('VAULT_UNAVAILABLE', 'BDK id');
  const bdkIds = { pin: pinBdkId, accountData: accountDataBdkId };
  return ok({ signingKeys, serviceKeys, serviceKeyUntil, anchor: answer.anchor, bdkIds, acquirers, generation });
}
