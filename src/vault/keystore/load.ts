import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type VaultKeys, wipeKeys, type ZoneKeys } from '../keys.ts';
import { onlyActive, openKeystore, symmetric } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { readEndorsement } from './service-key.ts';
import { signingKeyOf } from './signing-key.ts';
import { openSlot, type Slot, type SlotKind } from './slot.ts';

/** Slots that are there once, whatever the acquirers. */
const SINGLE = ['bdk-pin', 'bdk-account-data', 'anchor', 'device-token', 'receipt', 'grant', 'card-reference'] as const;

/** Slots with their opened keys; whoever takes a key out of it wipes it. */
type OpenSlots = ReadonlyMap<string, SecretBytes>;

/**
 * Loads every key that the vault works with. All slots are opened, the retired ones too: a keystore with one damaged slot
 * is not what it was, and is refused as a whole.
 */
export function loadKeystore(directory: string): Result<VaultKeys, KeystoreFault> {
  const keystore = openKeystore(directory);
  if (!keystore.ok) return keystore;
  const { slots, kek } = keystore.value;
  const open = new Map<string, SecretBytes>();
  let loaded: Result<VaultKeys, KeystoreFault> | undefined;
  try {
    for (const slot of slots) {
      if (slot.kind === 'kek') continue;
      const key = openSlot(slot, kek);
      if (!key.ok) return key;
      open.set(slot.id, key.value);
    }
    loaded = assemble(slots, open);
    return loaded;
  } finally {
    kek.wipe();
    const kept = loaded?.ok ? keysOf(loaded.value) : new Set<SecretBytes>();
    for (const key of open.values()) if (!kept.has(key)) key.wipe();
  }
}

function assemble(slots: readonly Slot[], open: OpenSlots): Result<VaultKeys, KeystoreFault> {
  const single = new Map<SlotKind, Slot>();
  for (const kind of SINGLE) {
    const slot = onlyActive(slots, kind);
    if (!slot.ok) return slot;
    single.set(kind, slot.value);
  }
  const slotOf = (kind: (typeof SINGLE)[number]): Slot => single.get(kind)!;
  const keyOf = (kind: (typeof SINGLE)[number]): SecretBytes => open.get(slotOf(kind).id)!;
  const bdkOf = (kind: 'bdk-pin' | 'bdk-account-data') => ({
    id: Buffer.from(slotOf(kind).bdkId ?? '', 'hex'),
    key: symmetric(keyOf(kind)),
  });
  const anchor = signingKeyOf(keyOf('anchor'));
  const grant = signingKeyOf(keyOf('grant'));
  const endorsed = readEndorsement(slotOf('grant').endorsement, anchor, grant);
  if (!endorsed.ok) return endorsed;
  const zones = assembleZones(slots, open);
  if (!zones.ok) return zones;
  const keys: VaultKeys = {
    anchor: anchor.spki,
    pinBdk: bdkOf('bdk-pin'),
    accountDataBdk: bdkOf('bdk-account-data'),
    deviceToken: signingKeyOf(keyOf('device-token')),
    receipt: signingKeyOf(keyOf('receipt')),
    grant: { ...grant, ...endorsed.value },
    cardReference: symmetric(keyOf('card-reference')),
    zones: zones.value,
  };
  // One id for both domains would let a key of one be asked for by the name of the other.
  const separate = !keys.pinBdk.id.equals(keys.accountDataBdk.id) && !keys.pinBdk.key.equals(keys.accountDataBdk.key);
  return separate ? ok(keys) : refuse('KEYSTORE_CORRUPT', 'the domains share a base derivation key');
}

/** The zones that have both keys; an acquirer whose ceremony is not finished has none. */
function assembleZones(slots: readonly Slot[], open: OpenSlots): Result<Map<string, ZoneKeys>, KeystoreFault> {
  const zones = new Map<string, ZoneKeys>();
  for (const { kind, acquirer, state } of slots) {
    if (kind !== 'zone-pin' || acquirer === undefined || state !== 'active') continue;
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

function keysOf(keys: VaultKeys): Set<SecretBytes> {
  const zones = [...keys.zones.values()].flatMap(({ pin, data }) => [pin.key, data.key]);
  return new Set([keys.pinBdk.key, keys.accountDataBdk.key, keys.cardReference, ...zones]);
}

/** Loads the keystore anew and wipes the keys that it replaces; where it is refused, the keys in use stay. */
export function reloadKeystore(directory: string, inUse: VaultKeys): Result<VaultKeys, KeystoreFault> {
  const loaded = loadKeystore(directory);
  if (loaded.ok) wipeKeys(inUse);
  return loaded;
}
