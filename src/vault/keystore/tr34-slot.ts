import type { Tr34Role } from '../../keys/custody.ts';
import type { SlotKind } from '../../keys/kind.ts';
import { parseTr34Certificate, type Tr34Certificate } from '../../payment-crypto/tr34/certificate.ts';
import type { BoundParty, Tr34Party } from '../../payment-crypto/tr34/credential.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type OpenedKeystore, onlyActive } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { privateKeyOf } from './signing-key.ts';
import { openSlot, type Slot } from './slot.ts';

/** The kind of slot of a role. */
export function tr34KindOf(role: Tr34Role): SlotKind & ('tr34-device' | 'tr34-host') {
  return role === 'device' ? 'tr34-device' : 'tr34-host';
}

/** A binding of TR-34: this side's certificate, and the bound one with its authority. */
export interface Tr34Binding {
  readonly slot: Slot;
  readonly own: Tr34Certificate;
  readonly bound: BoundParty;
}

function certificateOf(slot: Slot, stored: string | undefined): Result<Tr34Certificate, 'KEYSTORE_CORRUPT'> {
  const certificate = parseTr34Certificate(Buffer.from(stored ?? '', 'base64url'));
  return certificate.ok ? ok(certificate.value) : refuse('KEYSTORE_CORRUPT', `${slot.id}: certificate`);
}

/** The binding of a role with an acquirer, without its private key. Refuses with TR34_NOT_BOUND where there is none. */
export function readBinding(
  keystore: OpenedKeystore,
  role: Tr34Role,
  acquirer: string,
): Result<Tr34Binding, KeystoreFault | 'TR34_NOT_BOUND'> {
  const slot = onlyActive(keystore.slots, tr34KindOf(role), acquirer);
  if (!slot.ok) return refuse('TR34_NOT_BOUND', acquirer);
  // The certificates are believed because the key block's label binds them: it is opened before anything is made of them.
  const key = openSlot(slot.value, keystore.kek);
  if (!key.ok) return key;
  key.value.wipe();
  const { certificate, bound, authority } = slot.value.tr34 ?? {};
  const own = certificateOf(slot.value, certificate);
  if (!own.ok) return own;
  const peer = certificateOf(slot.value, bound);
  if (!peer.ok) return peer;
  const issuer = certificateOf(slot.value, authority);
  if (!issuer.ok) return issuer;
  return ok({ slot: slot.value, own: own.value, bound: { certificate: peer.value, authority: issuer.value } });
}

/** This side of a binding with its private key, for one call. */
export function openParty({ slot, own }: Tr34Binding, keystore: OpenedKeystore): Result<Tr34Party, KeystoreFault> {
  const key = openSlot(slot, keystore.kek);
  if (!key.ok) return key;
  const privateKey = privateKeyOf(key.value);
  key.value.wipe();
  return ok({ certificate: own, privateKey });
}
