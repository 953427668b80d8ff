import type { SlotKind } from '../../keys/kind.ts';
import { useOf } from '../../keys/state.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type OtherBdk, type PublicKey, secretsOf, type VaultKeys, wipeKeys, type ZoneKeys } from '../keys.ts';
import { type OpenedKeystore, onlyActive, openKeystore, symmetric } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { type EndorsedKey, readEndorsement } from './service-key.ts';
import { type SigningKey, signingKeyOf } from './signing-key.ts';
import { openSlot, type Slot } from './slot.ts';

/** Kinds of which one slot is active, whatever the acquirers. */
const SINGLE = ['bdk-pin', 'bdk-account-data', 'anchor', 'device-token', 'receipt', 'grant', 'card-reference'] as const;

/** Kinds whose public keys are told. */
const SIGNING: ReadonlySet<SlotKind> = new Set(['device-token', 'receipt', 'grant', 'audit']);

const BDK_DOMAINS = { 'bdk-pin': 'pin', 'bdk-account-data': 'account-data' } as const;

/** Slots with their opened keys; whoever takes a key out of it wipes it. */
type OpenSlots = ReadonlyMap<string, SecretBytes>;

/**
 * Loads every key that the vault works with. All slots with a key are opened, the retired ones too: a keystore with one
 * damaged slot is not what it was, and is refused as a whole.
 */
export function loadKeystore(directory: string): Result<VaultKeys, KeystoreFault> {
  const keystore = openKeystore(directory);
  if (!keystore.ok) return keystore;
  const { slots, kek } = keystore.value;
  const open = new Map<string, SecretBytes>();
  let loaded: Result<VaultKeys, KeystoreFault> | undefined;
  try {
    for (const slot of slots) {
      if (slot.kind === 'kek' || slot.block === undefined) continue;
      const key = openSlot(slot, kek);
      if (!key.ok) return key;
      open.set(slot.id, key.value);
    }
    loaded = assemble(keystore.value, open);
    return loaded;
  } finally {
    kek.wipe();
    const kept = new Set<SecretBytes>(loaded?.ok ? secretsOf(loaded.value) : []);
    for (const key of open.values()) if (!kept.has(key)) key.wipe();
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
  const keyOf = (kind: (typeof SINGLE)[number]): SecretBytes => open.get(slotOf(kind).id)!;
  const bdkOf = (slot: Slot) => ({ id: Buffer.from(slot.bdkId ?? '', 'hex'), key: symmetric(open.get(slot.id)) });
  const anchor = signingKeyOf(keyOf('anchor'));
  const publicKeys = readPublicKeys(slots, open, anchor);
  if (!publicKeys.ok) return publicKeys;
  const grant = signingKeyOf(keyOf('grant'));
  const endorsed = publicKeys.value.find(({ keyId }) => keyId === grant.keyId)?.endorsed;
  if (!endorsed) return refuse('KEYSTORE_CORRUPT', `endorsement of ${grant.keyId}`);
  const zones = assembleZones(slots, open);
  if (!zones.ok) return zones;
  const otherBdks = new Map<string, OtherBdk>();
  for (const slot of slots) {
    if ((slot.kind !== 'bdk-pin' && slot.kind !== 'bdk-account-data') || slot.state === 'active') continue;
    const { state, bdkId = '' } = slot;
    const bdk = useOf(state).serves ? bdkOf(slot) : null;
    otherBdks.set(bdkId, { domain: BDK_DOMAINS[slot.kind], state, since: sinceOf(slot), bdk });
  }
  const keys: VaultKeys = {
    generation,
    anchor: anchor.spki,
    pinBdk: bdkOf(slotOf('bdk-pin')),
    accountDataBdk: bdkOf(slotOf('bdk-account-data')),
    otherBdks,
    deviceToken: signingKeyOf(keyOf('device-token')),
    receipt: signingKeyOf(keyOf('receipt')),
    grant: { ...grant, ...endorsed },
    publicKeys: publicKeys.value,
    compromised: new Set(slots.flatMap(({ state, keyId }) => (state === 'compromised' && keyId ? [keyId] : []))),
    cardReference: symmetric(keyOf('card-reference')),
    zones: zones.value,
  };
  return bdksAreSeparate(slots, open)
    ? ok(keys)
    : refuse('KEYSTORE_CORRUPT', 'the domains share a base derivation key');
}

/** One id twice, or one key twice, would let a key of one domain be asked for by the name of the other. */
function bdksAreSeparate(slots: readonly Slot[], open: OpenSlots): boolean {
  const bdks = slots.filter(({ bdkId }) => bdkId !== undefined);
  const held = bdks.flatMap(({ id }) => (open.has(id) ? [symmetric(open.get(id))] : []));
  const distinctKeys = held.every((key, at) => held.slice(0, at).every((other) => !other.equals(key)));
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
  for (const { id, kind, state, endorsement } of slots) {
    const held = open.get(id);
    if (!SIGNING.has(kind) || held === undefined) continue;
    if (held instanceof SecretKey) return refuse('KEYSTORE_CORRUPT', `${id}: no signing key`);
    const key = signingKeyOf(held);
    let endorsed: EndorsedKey | null = null;
    if (kind === 'grant') {
      const checked = readEndorsement(endorsement, anchor, key);
      if (!checked.ok) return checked;
      endorsed = checked.value;
    }
    read.push({ slotId: id, keyId: key.keyId, kind, state, publicKey: key.publicKey, spki: key.spki, endorsed });
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

/** Loads the keystore anew and wipes the keys that it replaces; where it is refused, the keys in use stay. */
export function reloadKeystore(directory: string, inUse: VaultKeys): Result<VaultKeys, KeystoreFault> {
  const loaded = loadKeystore(directory);
  if (loaded.ok) wipeKeys(inUse);
  return loaded;
}
