import { equalBytes } from '../../encoding/digest.ts';
import type { SlotKind } from '../../keys/kind.ts';
import { type SlotState, useOf } from '../../keys/state.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type OtherBdk, type PublicKey, secretsOf, type VaultKeys, wipeKeys, type ZoneKeys } from '../keys.ts';
import { TokenError } from '../pkcs11/token-error.ts';
import { type OpenedKeystore, onlyActive, openKeystore, symmetric } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { asDerivationKey, asSigningKey, type OpenedKey, openKey, wipeKey } from './opened-key.ts';
import type { KeystorePlace } from './place.ts';
import { anchorLinksOf, type EndorsedKey, readEndorsement, readPublished } from './service-key.ts';
import type { SigningKey } from './signing-key.ts';
import { isPublished, type Slot } from './slot.ts';

/** Kinds of which one slot is active, whatever the acquirers. */
const SINGLE = [
  'bdk-pin',
  'bdk-account-data',
  'anchor',
  'device-token',
  'receipt',
  'grant',
  'card-reference',
  'derivation-ledger',
] as const;

const BDK_DOMAINS = { 'bdk-pin': 'pin', 'bdk-account-data': 'account-data' } as const;

const PROBE = Buffer.alloc(16);

/** Slots with their opened keys; whoever takes a key out of it wipes it. */
type OpenSlots = ReadonlyMap<string, OpenedKey>;

/**
 * Loads every key that the vault works with. All slots with a key are opened, the retired ones too: a keystore with one
 * damaged slot is not what it was, and is refused as a whole.
 */
export function loadKeystore(place: KeystorePlace): Result<VaultKeys, KeystoreFault> {
  const keystore = openKeystore(place);
  if (!keystore.ok) return keystore;
  const { slots, kek } = keystore.value;
  const open = new Map<string, OpenedKey>();
  let loaded: Result<VaultKeys, KeystoreFault> | undefined;
  try {
    for (const slot of slots) {
      if (slot.kind === 'kek' || !useOf(slot.state).isHeld) continue;
      const key = openKey(slot, keystore.value);
      if (!key.ok) return key;
      open.set(slot.id, key.value);
    }
    loaded = assemble(keystore.value, open);
    return loaded;
  } catch (error) {
    if (error instanceof TokenError) return refuse('TOKEN_UNAVAILABLE', error.detail);
    throw error;
  } finally {
    kek.wipe();
    const kept = new Set<OpenedKey>(loaded?.ok ? secretsOf(loaded.value) : []);
    for (const key of open.values()) if (!kept.has(key)) wipeKey(key);
  }
}

function assemble({ slots, generation }: OpenedKeystore, open: OpenSlots): Result<VaultKeys, KeystoreFault> {
  const single = new Map<SlotKind, Slot>();
  for (const kind of SINGLE) {
    const slot = onlyActive(slots, kind);
    if (!slot.ok) return slot;
    single.set(kind, slot.value);
  }
  const slotOf = (kind: (typeof SINGLE)[number]): Slot => single.get(kind)!;
  const signingKeyOf = (kind: (typeof SINGLE)[number]): SigningKey => asSigningKey(open.get(slotOf(kind).id));
  const bdkOf = (slot: Slot) => ({ id: Buffer.from(slot.bdkId ?? '', 'hex'), key: asDerivationKey(open.get(slot.id)) });
  const anchor = signingKeyOf('anchor');
  const publicKeys = readPublicKeys(slots, open, anchor);
  if (!publicKeys.ok) return publicKeys;
  const grant = signingKeyOf('grant');
  const endorsed = publicKeys.value.find(({ keyId }) => keyId === grant.keyId)?.endorsed;
  if (!endorsed) return refuse('KEYSTORE_CORRUPT', `endorsement of ${grant.keyId}`);
  const zones = assembleZones(slots, open);
  if (!zones.ok) return zones;
  const otherBdks = new Map<string, OtherBdk>();
  for (const slot of slots) {
    if ((slot.kind !== 'bdk-pin' && slot.kind !== 'bdk-account-data') || slot.state === 'active') continue;
    const { state, bdkId = '' } = slot;
    const bdk = useOf(state).verifiesRepeats ? bdkOf(slot) : null;
    otherBdks.set(bdkId, { domain: BDK_DOMAINS[slot.kind], state, since: sinceOf(slot), bdk });
  }
  const auditSlot = slots.find(({ kind, state }) => kind === 'audit' && state === 'active');
  const keys: VaultKeys = {
    generation,
    anchor: anchor.spki,
    anchorLinks: anchorLinksOf(slots),
    pinBdk: bdkOf(slotOf('bdk-pin')),
    accountDataBdk: bdkOf(slotOf('bdk-account-data')),
    otherBdks,
    deviceToken: signingKeyOf('device-token'),
    receipt: signingKeyOf('receipt'),
    audit: auditSlot === undefined ? null : asSigningKey(open.get(auditSlot.id)),
    grant: { ...grant, ...endorsed },
    publicKeys: publicKeys.value,
    compromised: keyIdsIn(slots, 'compromised'),
    destroyed: keyIdsIn(slots, 'destroyed'),
    cardReference: symmetric(open.get(slotOf('card-reference').id)),
    derivationLedger: symmetric(open.get(slotOf('derivation-ledger').id)),
    zones: zones.value,
  };
  return bdksAreSeparate(slots, open)
    ? ok(keys)
    : refuse('KEYSTORE_CORRUPT', 'the domains share a base derivation key');
}

function keyIdsIn(slots: readonly Slot[], wanted: SlotState): ReadonlySet<string> {
  return new Set(slots.flatMap(({ state, keyId }) => (state === wanted && keyId !== undefined ? [keyId] : [])));
}

/** One id twice, or one key twice, would let a key of one domain be asked for by the name of the other. */
function bdksAreSeparate(slots: readonly Slot[], open: OpenSlots): boolean {
  const bdks = slots.filter(({ bdkId }) => bdkId !== undefined);
  // Keys in a token cannot be compared; what they encipher one block to can.
  const probed = bdks.flatMap(({ id }) => (open.has(id) ? [asDerivationKey(open.get(id)).encipher(PROBE)] : []));
  const distinctKeys = probed.every((block, at) => probed.slice(0, at).every((other) => !equalBytes(other, block)));
  return distinctKeys && new Set(bdks.map(({ bdkId }) => bdkId)).size === bdks.length;
}

/** When a slot entered its state; long ago where that is older than the record. */
function sinceOf({ state, history = [] }: Slot): Date {
  return new Date((history.findLast((change) => change.state === state)?.at ?? 0) * 1000);
}

function readPublicKeys(
  slots: readonly Slot[],
  open: OpenSlots,
  anchor: SigningKey,
): Result<PublicKey[], KeystoreFault> {
  const read: PublicKey[] = [];
  for (const slot of slots) {
    const { id, kind, state, endorsement } = slot;
    const held = open.get(id);
    if (!isPublished(kind) || held === undefined) continue;
    const key = asSigningKey(held);
    let endorsed: EndorsedKey | null = null;
    if (kind === 'grant') {
      const checked = readEndorsement(endorsement, anchor, key);
      if (!checked.ok) return checked;
      endorsed = checked.value;
    }
    const published = readPublished(slot, anchor, key);
    if (!published.ok) return published;
    const { keyId, publicKey, spki } = key;
    read.push({ slotId: id, keyId, kind, state, publicKey, spki, endorsed, endorsement: published.value });
  }
  return ok(read);
}

/** The zones that have both keys active; an acquirer whose ceremony is not finished has none. */
function assembleZones(slots: readonly Slot[], open: OpenSlots): Result<Map<string, ZoneKeys>, KeystoreFault> {
  const zones = new Map<string, ZoneKeys>();
  for (const { kind, acquirer, state } of slots) {
    if (kind !== 'zone-pin' || acquirer === undefined || state !== 'active') continue;
    // A zone without its data key serves nobody, and must not keep the others from being served.
    if (!slots.some((slot) => slot.kind === 'zone-data' && slot.acquirer === acquirer && slot.state === 'active'))
      continue;
    const pin = onlyActive(slots, 'zone-pin', acquirer);
    if (!pin.ok) return pin;
    const data = onlyActive(slots, 'zone-data', acquirer);
    if (!data.ok) return data;
    zones.set(acquirer, {
      acquirer,
      pin: { keyId: pin.value.id, key: symmetric(open.get(pin.value.id)) },
      data: { keyId: data.value.id, key: symmetric(open.get(data.value.id)) },
    });
  }
  return ok(zones);
}

/**
 * Loads the keystore anew and wipes the keys that it replaces; where it is refused, the keys in use stay. A file that is
 * older than the keys in use is KEYSTORE_CORRUPT: somebody put it back.
 */
export function reloadKeystore(place: KeystorePlace, inUse: VaultKeys): Result<VaultKeys, KeystoreFault> {
  const loaded = loadKeystore(place);
  if (!loaded.ok) return loaded;
  if (loaded.value.generation < inUse.generation) {
    wipeKeys(loaded.value);
    return refuse('KEYSTORE_CORRUPT', 'keys.json: older than the keys in use');
  }
  wipeKeys(inUse);
  return loaded;
}
