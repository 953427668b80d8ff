import { NAME_FORM } from '../../certs/uri-name.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { changeKeystore } from './change.ts';
import { type ComponentAlgorithm, type ComponentFault, joinComponents, type KeyComponent } from './components.ts';
import type { KeystoreFault } from './fault.ts';
import { checkFresh } from './incoming-key.ts';
import { newSlotId } from './initialise.ts';
import type { KeystorePlace } from './place.ts';
import { checkValueOf, type Slot, shown, withChange, wrapSlot } from './slot.ts';
import { type SlotTurn, turnSlot } from './turn.ts';
import { zoneKeyBlock } from './zone-key-block.ts';

/** Why a zone ceremony changes nothing. */
export type CeremonyFault =
  | KeystoreFault
  | ComponentFault
  | 'ACQUIRER_NAME'
  /** A slot has this key, or had it: another acquirer's, or the one that it is to replace. */
  | 'KEY_ALREADY_HELD'
  /** The acquirer has no key of its own yet under which zone keys could travel. */
  | 'ZONE_KEK_MISSING'
  /** The acquirer has such keys, and the ceremony was not asked to replace them. */
  | 'ZONE_KEY_EXISTS';

/** A ceremony that takes keys out of use says so. */
export interface CeremonyOptions extends SlotTurn {
  /** Let the acquirer's keys of this kind that are active drain; without it they are a refusal. */
  readonly replace?: boolean;
}

/** A zone key on its way to the acquirer. */
export interface OfferedZoneKey {
  /** Names the key in every answer of the gate; also the label block of the key block. */
  readonly keyId: string;
  /** Check value, 10 hexadecimal digits. */
  readonly kcv: string;
  /** X9.143 version D under the zone KEK; mode of use D: the acquirer deciphers with it. */
  readonly block: string;
}

/** What `makeZoneKeys` makes for an acquirer. */
export interface OfferedZoneKeys {
  readonly pin: OfferedZoneKey;
  readonly data: OfferedZoneKey;
}

const ZONE_KEY_BITS = 128;

/**
 * Enters an acquirer's zone KEK from at least two components with their check values, and answers its check value.
 * A running vault takes changes at its next reload. Refuses with a {@link CeremonyFault}, and changes nothing then.
 */
export function enterZoneKek(
  place: KeystorePlace,
  ceremony: {
    readonly acquirer: string;
    readonly components: readonly KeyComponent[];
    /** TDEA: takes key blocks of version B and C in, and wraps nothing. AES where absent. */
    readonly algorithm?: ComponentAlgorithm;
  },
  options: CeremonyOptions,
): Result<{ readonly acquirer: string; readonly kcv: string }, CeremonyFault> {
  const { acquirer, algorithm = 'AES' } = ceremony;
  const kind = algorithm === 'AES' ? 'zone-kek' : 'zone-kek-tdea';
  if (!NAME_FORM.test(acquirer)) return refuse('ACQUIRER_NAME');
  const joined = joinComponents(ceremony.components, algorithm);
  if (!joined.ok) return joined;
  const { key, kcv } = joined.value;
  try {
    const changed = changeKeystore<CeremonyFault>(place, ({ slots, kek }) => {
      const others = drainActive(slots, [kind], acquirer, kek, options);
      if (!others.ok) return others;
      const fresh = checkFresh(slots, shown(checkValueOf(key)));
      if (!fresh.ok) return fresh;
      const id = newSlotId(kind, options.random);
      const history = withChange(undefined, { state: 'active', at: options.clock.now(), by: options.by });
      const entered = { by: 'components', exportability: 'N' } as const;
      const description = { id, kind, state: 'active', acquirer, history, entered } as const;
      return ok([...others.value, wrapSlot(description, key, kek, options.random)]);
    });
    return changed.ok ? ok({ acquirer, kcv }) : changed;
  } finally {
    key.wipe();
  }
}

/**
 * Makes an acquirer's zone PIN key and zone data key (AES-128) and answers them as key blocks under its zone KEK. They are
 * active for the vault at its next reload, so the acquirer opens the blocks before. Refuses with a {@link CeremonyFault},
 * and changes nothing then.
 */
export function makeZoneKeys(
  place: KeystorePlace,
  acquirer: string,
  options: CeremonyOptions,
): Result<OfferedZoneKeys, CeremonyFault> {
  if (!NAME_FORM.test(acquirer)) return refuse('ACQUIRER_NAME');
  const offered: OfferedZoneKey[] = [];
  const changed = changeKeystore<CeremonyFault>(place, ({ slots, kek }) => {
    const others = drainActive(slots, ['zone-pin', 'zone-data'], acquirer, kek, options);
    if (!others.ok) return others;
    const made = [...others.value];
    for (const kind of ['zone-pin', 'zone-data'] as const) {
      const zoneKey = makeZoneKey(kind, acquirer, 'active', slots, kek, options);
      if (!zoneKey.ok) return zoneKey;
      made.push(zoneKey.value.slot);
      offered.push(zoneKey.value.offer);
    }
    return ok(made);
  });
  const [pin, data] = offered;
  if (!changed.ok) return changed;
  if (pin === undefined || data === undefined) throw new Error('a ceremony without its keys');
  return ok({ pin, data });
}

/** Makes a zone key: its slot, and its key block under the acquirer's zone KEK. */
export function makeZoneKey(
  kind: 'zone-pin' | 'zone-data',
  acquirer: string,
  state: 'prepared' | 'active',
  slots: readonly Slot[],
  kek: SecretKey,
  { random, clock, by }: SlotTurn,
): Result<{ readonly slot: Slot; readonly offer: OfferedZoneKey }, KeystoreFault | 'ZONE_KEK_MISSING'> {
  const id = newSlotId(kind, random);
  const key = SecretKey.generate('AES', ZONE_KEY_BITS, random);
  try {
    const block = zoneKeyBlock({ id, kind, acquirer }, key, { slots, kek }, random);
    if (!block.ok) return block;
    const history = withChange(undefined, { state, at: clock.now(), by });
    const slot = wrapSlot({ id, kind, state, acquirer, history }, key, kek, random);
    return ok({ slot, offer: { keyId: id, kcv: slot.kcv, block: block.value } });
  } finally {
    key.wipe();
  }
}

/** The slots with the acquirer's active ones of these kinds draining; refused where there are any and none may be. */
function drainActive(
  slots: readonly Slot[],
  kinds: readonly Slot['kind'][],
  acquirer: string,
  kek: SecretKey,
  { replace = false, ...turn }: CeremonyOptions,
): Result<Slot[], CeremonyFault> {
  const kept: Slot[] = [];
  for (const slot of slots) {
    const active = slot.state === 'active' && slot.acquirer === acquirer && kinds.includes(slot.kind);
    if (active && !replace) return refuse('ZONE_KEY_EXISTS', slot.id);
    const next = active ? turnSlot(slot, 'draining', kek, turn) : ok(slot);
    if (!next.ok) return next;
    kept.push(next.value);
  }
  return ok(kept);
}
