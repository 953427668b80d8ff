import { generateKeyPairSync } from 'node:crypto';
import { NAME_FORM } from '../../certs/uri-name.ts';
import { equalBytes } from '../../encoding/digest.ts';
import type { Tr34Role } from '../../keys/custody.ts';
import { mayBecome, type SlotState } from '../../keys/state.ts';
import type { Tr34Reason } from '../../payment-crypto/reason.ts';
import { SecretBytes } from '../../payment-crypto/secret.ts';
import { isCurrent, parseTr34Certificate } from '../../payment-crypto/tr34/certificate.ts';
import { certificateRequest } from '../../payment-crypto/tr34/certificate-request.ts';
import {
  type BoundParty,
  bindDevice,
  bindHost,
  formatDeviceCredential,
  formatHostCredential,
} from '../../payment-crypto/tr34/credential.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { changeKeystore } from './change.ts';
import type { OpenedKeystore } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { newSlotId } from './initialise.ts';
import type { KeystorePlace } from './place.ts';
import { publicKeyOfPkcs8 } from './signing-key.ts';
import { openSlot, type Slot, withChange, wrapSlot } from './slot.ts';
import { tr34KindOf } from './tr34-slot.ts';
import { type SlotTurn, turnSlot } from './turn.ts';

/** Why a ceremony of TR-34 changes nothing. */
export type Tr34CeremonyFault =
  | KeystoreFault
  | Tr34Reason
  | 'ACQUIRER_NAME'
  /** A key of this role waits for its certificate, or is bound, and the ceremony was not asked to replace it. */
  | 'TR34_KEY_EXISTS'
  /** No key of this role waits for its certificate. */
  | 'TR34_KEY_MISSING'
  /** The certificate is of another key. */
  | 'TR34_OTHER_KEY';

/** Whose key a ceremony is about. */
export interface Tr34Subject {
  readonly acquirer: string;
  /** What this side is to the acquirer. */
  readonly role: Tr34Role;
}

/** A ceremony that takes a key out of use says so. */
export interface Tr34Options extends SlotTurn {
  readonly replace?: boolean;
}

/** As strong as the AES-128 keys that it carries (SP 800-57 part 1, table 2). */
const RSA_BITS = 3072;

/** The steps by which a key that is replaced loses its bytes. */
const WAY_OUT: readonly SlotState[] = ['draining', 'retired', 'destroyed'];

function destroyed(slot: Slot, keystore: OpenedKeystore, turn: SlotTurn): Result<Slot, KeystoreFault> {
  let current = slot;
  for (const state of WAY_OUT) {
    if (!mayBecome(current.state, state)) continue;
    const next = turnSlot(current, state, keystore.kek, turn);
    if (!next.ok) return next;
    current = next.value;
  }
  return ok(current);
}

/** The slots with the subject's one in this state destroyed; refused where there is one and it may not be. */
function withoutState(
  keystore: OpenedKeystore,
  { acquirer, role }: Tr34Subject,
  state: SlotState,
  { replace = false, ...turn }: Tr34Options,
): Result<Slot[], Tr34CeremonyFault> {
  const kept: Slot[] = [];
  for (const slot of keystore.slots) {
    const stands = slot.kind === tr34KindOf(role) && slot.acquirer === acquirer && slot.state === state;
    if (stands && !replace) return refuse('TR34_KEY_EXISTS', slot.id);
    const next = stands ? destroyed(slot, keystore, turn) : ok(slot);
    if (!next.ok) return next;
    kept.push(next.value);
  }
  return ok(kept);
}

/**
 * Makes this side's RSA key for TR-34 with an acquirer, in a prepared slot, and answers a certificate request (PKCS #10,
 * DER) for it. A device's key deciphers and a host's signs; neither is used for the other.
 */
export function makeTr34Key(
  place: KeystorePlace,
  subject: Tr34Subject,
  options: Tr34Options,
): Result<{ readonly slotId: string; readonly request: Buffer }, Tr34CeremonyFault> {
  const { acquirer, role } = subject;
  if (!NAME_FORM.test(acquirer)) return refuse('ACQUIRER_NAME');
  const kind = tr34KindOf(role);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
  const key = SecretBytes.owning(privateKey.export({ format: 'der', type: 'pkcs8' }));
  const slotId = newSlotId(kind, options.random);
  try {
    const changed = changeKeystore<Tr34CeremonyFault>(place, (keystore) => {
      const kept = withoutState(keystore, subject, 'prepared', options);
      if (!kept.ok) return kept;
      const history = withChange(undefined, { state: 'prepared', at: options.clock.now(), by: options.by });
      const description = { id: slotId, kind, state: 'prepared', acquirer, history } as const;
      return ok([...kept.value, wrapSlot(description, key, keystore.kek, options.random)]);
    });
    if (!changed.ok) return changed;
    return ok({ slotId, request: certificateRequest(`tapgate ${kind} ${acquirer}`, privateKey) });
  } finally {
    key.wipe();
  }
}

/** What a binding is made of, DER each. */
export interface Tr34Papers {
  /** This side's certificate, made of the request. */
  readonly certificate: Uint8Array;
  /** The other side's credential token, CT-KDH of a host or CT-KRD of a device, or its certificate alone. */
  readonly peer: Uint8Array;
  /** The authority that vouches for the other side; its fingerprint is compared by another way before. */
  readonly authority: Uint8Array;
  /** Revocation list of that authority: with a host's certificate alone it has to be there, its credential has its own. */
  readonly revocationList?: Uint8Array;
}

function bind(papers: Tr34Papers, role: Tr34Role, now: Date): Result<BoundParty, Tr34Reason> {
  const authority = parseTr34Certificate(papers.authority);
  if (!authority.ok) return authority;
  const { peer, revocationList } = papers;
  const alone = parseTr34Certificate(peer);
  if (role === 'host')
    return bindDevice(alone.ok ? formatDeviceCredential(alone.value) : peer, authority.value, now, revocationList);
  if (!alone.ok) return bindHost(peer, authority.value, now);
  if (revocationList === undefined) return refuse('TR34_CRL', "a host's certificate without its revocation list");
  return bindHost(formatHostCredential(alone.value, revocationList), authority.value, now);
}

/**
 * Binds this side and an acquirer's (TR-34:2019 5.3): the prepared key takes its certificate and the other side's, which are
 * sealed into its slot, and is active. Keys come from, or go to, this one other side from then on; another one is bound with
 * `replace`, which destroys the key before.
 */
export function bindTr34(
  place: KeystorePlace,
  subject: Tr34Subject,
  papers: Tr34Papers,
  options: Tr34Options,
): Result<{ readonly slotId: string; readonly bound: BoundParty }, Tr34CeremonyFault> {
  const { acquirer, role } = subject;
  const now = options.clock.now();
  const own = parseTr34Certificate(papers.certificate);
  if (!own.ok) return own;
  if (!isCurrent(own.value, now)) return refuse('TR34_CERTIFICATE_EXPIRED', "this side's");
  const bound = bind(papers, role, now);
  if (!bound.ok) return bound;
  const tr34 = {
    certificate: own.value.der.toString('base64url'),
    bound: bound.value.certificate.der.toString('base64url'),
    authority: bound.value.authority.der.toString('base64url'),
  };
  let slotId = '';
  const changed = changeKeystore<Tr34CeremonyFault>(place, (keystore) => {
    const kept = withoutState(keystore, subject, 'active', options);
    if (!kept.ok) return kept;
    const at = kept.value.findIndex(
      (slot) => slot.kind === tr34KindOf(role) && slot.acquirer === acquirer && slot.state === 'prepared',
    );
    const prepared = kept.value[at];
    if (prepared === undefined) return refuse('TR34_KEY_MISSING', acquirer);
    const key = openSlot(prepared, keystore.kek);
    if (!key.ok) return key;
    try {
      const spki = publicKeyOfPkcs8(key.value);
      if (!equalBytes(spki, own.value.publicKey.export({ format: 'der', type: 'spki' })))
        return refuse('TR34_OTHER_KEY');
      const { kcv: _kcv, block: _block, ...description } = prepared;
      const history = withChange(prepared.history, { state: 'active', at: now, by: options.by });
      const active = { ...description, state: 'active', history, tr34 } as const;
      slotId = prepared.id;
      return ok(kept.value.with(at, wrapSlot(active, key.value, keystore.kek, options.random)));
    } finally {
      key.value.wipe();
    }
  });
  return changed.ok ? ok({ slotId, bound: bound.value }) : changed;
}
