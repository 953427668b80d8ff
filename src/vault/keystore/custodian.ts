import type { GeneratedSlot, ShownSlot } from '../../keys/custody.ts';
import type { SlotKind } from '../../keys/kind.ts';
import { planChange, planGeneration, type SlotFault, type SlotSeries } from '../../keys/slots.ts';
import type { SlotState } from '../../keys/state.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { secondsAfter } from '../../ports/clock.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import { changeKeystore } from './change.ts';
import { onlyActive, openKeystore } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { newSlotId, SERVICE_KEY_DAYS } from './initialise.ts';
import { loadKeystore, reloadKeystore } from './load.ts';
import type { FileSystem } from './replace.ts';
import { endorse } from './service-key.ts';
import { generateSigningKey, signingKeyOf } from './signing-key.ts';
import { keySlotOf, openSlot, type Slot, withChange, wrapSlot } from './slot.ts';
import { type SlotTurn, turnSlot } from './turn.ts';
import { makeZoneKey } from './zone-ceremony.ts';

/** Why the custodian changes nothing. */
export type CustodyFault = KeystoreFault | SlotFault | 'ZONE_KEK_MISSING';

const SECONDS_A_DAY = 86_400;
const BDK_ID_BYTES = 4;
const BDK_BITS = 128;

interface MadeSlot {
  readonly slot: Slot;
  readonly keyBlock: string;
}

/** The open keystore of a vault's process: the keys in use, and the one hand that changes their slots. */
export class Custodian {
  readonly #directory: string;
  readonly #ports: VaultPorts;
  readonly #files: FileSystem | undefined;
  #keys: VaultKeys;

  private constructor(directory: string, ports: VaultPorts, keys: VaultKeys, files: FileSystem | undefined) {
    this.#directory = directory;
    this.#ports = ports;
    this.#keys = keys;
    this.#files = files;
  }

  /** Opens a keystore. Refuses with a {@link KeystoreFault}. */
  static open(directory: string, ports: VaultPorts, files?: FileSystem): Result<Custodian, KeystoreFault> {
    const keys = loadKeystore(directory);
    return keys.ok ? ok(new Custodian(directory, ports, keys.value, files)) : keys;
  }

  /** The keys in use; those of before a change are wiped by it. */
  get keys(): VaultKeys {
    return this.#keys;
  }

  /** Takes what a ceremony has changed; where it is refused, the keys in use stay. */
  reload(): Result<null, KeystoreFault> {
    const reloaded = reloadKeystore(this.#directory, this.#keys);
    if (!reloaded.ok) return reloaded;
    this.#keys = reloaded.value;
    return ok(null);
  }

  /** Every slot, without its key. */
  list(): Result<readonly ShownSlot[], KeystoreFault> {
    const keystore = openKeystore(this.#directory);
    if (!keystore.ok) return keystore;
    keystore.value.kek.wipe();
    return ok(keystore.value.slots.map((slot) => this.#shown(slot)));
  }

  /** Makes a key in a prepared slot. */
  generate(series: SlotSeries, by: string): Result<GeneratedSlot, CustodyFault> {
    let made: MadeSlot | null = null;
    const changed = changeKeystore<CustodyFault>(
      this.#directory,
      ({ slots, kek }) => {
        const allowed = planGeneration(slots.map(keySlotOf), series);
        if (!allowed.ok) return allowed;
        const next = makeSlot(series, 'prepared', slots, kek, this.#turn(by));
        if (!next.ok) return next;
        made = next.value;
        return ok([...slots, next.value.slot]);
      },
      this.#files,
    );
    const taken = this.#take(changed);
    if (!taken.ok) return taken;
    // The compiler does not see that the work above has run.
    const { slot, keyBlock } = made as unknown as MadeSlot;
    return ok({ slot: this.#shown(slot), keyBlock });
  }

  /** Takes a slot to another state by the state machine; answers the slots that changed. */
  change(id: string, to: SlotState, by: string): Result<readonly ShownSlot[], CustodyFault> {
    const current = this.list();
    if (!current.ok) return current;
    const before = planChange(current.value, id, to);
    if (!before.ok) return before;
    if (before.value.changes.length === 0) return ok([]);
    const touched = new Set<string>();
    const changed = changeKeystore<CustodyFault>(
      this.#directory,
      ({ slots, kek }) => {
        const plan = planChange(slots.map(keySlotOf), id, to);
        if (!plan.ok) return plan;
        const turn = this.#turn(by);
        const next = [...slots];
        for (const step of plan.value.changes) {
          const at = next.findIndex((slot) => slot.id === step.id);
          const turned = turnSlot(next[at]!, step.to, kek, turn);
          if (!turned.ok) return turned;
          next[at] = turned.value;
          touched.add(step.id);
        }
        if (plan.value.generate === null) return ok(next);
        const successor = makeSlot(plan.value.generate, 'active', slots, kek, turn);
        if (!successor.ok) return successor;
        touched.add(successor.value.slot.id);
        return ok([...next, successor.value.slot]);
      },
      this.#files,
    );
    const taken = this.#take(changed);
    if (!taken.ok) return taken;
    const after = this.list();
    return after.ok ? ok(after.value.filter((slot) => touched.has(slot.id))) : after;
  }

  #turn(by: string): SlotTurn {
    return { ...this.#ports, by };
  }

  /** After a change that was written, or may have been: what the file says counts. */
  #take(changed: Result<null, CustodyFault>): Result<null, CustodyFault> {
    if (!changed.ok && changed.reason !== 'KEYSTORE_IO') return changed;
    const reloaded = this.reload();
    return changed.ok ? reloaded : changed;
  }

  #shown(slot: Slot): ShownSlot {
    const keyId = slot.keyId ?? this.#keys.publicKeys.find((key) => key.slotId === slot.id)?.keyId ?? '';
    return { ...keySlotOf(slot), keyCheckValue: slot.kcv, keyId, bdkId: slot.bdkId ?? '' };
  }
}

/** A new key of a series, wrapped as a slot. */
function makeSlot(
  { kind, acquirer }: SlotSeries,
  state: 'prepared' | 'active',
  slots: readonly Slot[],
  kek: SecretKey,
  turn: SlotTurn,
): Result<MadeSlot, CustodyFault> {
  if (kind === 'zone-pin' || kind === 'zone-data') {
    const made = makeZoneKey(kind, acquirer ?? '', state, slots, kek, turn);
    return made.ok ? ok({ slot: made.value.slot, keyBlock: made.value.offer.block }) : made;
  }
  const { random, clock, by } = turn;
  const history = withChange(undefined, { state, at: clock.now(), by });
  const description = { id: newSlotId(kind, random), kind, state, history };
  const wrapped = (key: SecretBytes, more: Partial<Slot> = {}): Result<MadeSlot, never> => {
    try {
      return ok({ slot: wrapSlot({ ...description, ...more }, key, kek, random), keyBlock: '' });
    } finally {
      key.wipe();
    }
  };
  switch (kind) {
    case 'bdk-pin':
    case 'bdk-account-data':
      return wrapped(SecretKey.generate('AES', BDK_BITS, random), { bdkId: freshBdkId(slots, random) });
    case 'device-token':
    case 'receipt':
    case 'audit':
      return wrapped(generateSigningKey());
    case 'grant': {
      const key = generateSigningKey();
      const endorsement = endorsementOf(key, slots, kek, turn);
      return endorsement.ok ? wrapped(key, { endorsement: endorsement.value }) : endorsement;
    }
    default:
      return refuse('KEY_KIND_FIXED', kind satisfies SlotKind);
  }
}

function endorsementOf(
  key: SecretBytes,
  slots: readonly Slot[],
  kek: SecretKey,
  { clock }: SlotTurn,
): Result<NonNullable<Slot['endorsement']>, KeystoreFault> {
  const anchorSlot = onlyActive(slots, 'anchor');
  if (!anchorSlot.ok) return anchorSlot;
  const anchor = openSlot(anchorSlot.value, kek);
  if (!anchor.ok) return anchor;
  const notAfter = Math.floor(secondsAfter(clock.now(), SERVICE_KEY_DAYS * SECONDS_A_DAY).getTime() / 1000);
  try {
    return ok(endorse(signingKeyOf(anchor.value), signingKeyOf(key), notAfter));
  } finally {
    anchor.value.wipe();
  }
}

/** A BDK id that no slot has or had: initial key ids of a destroyed key are never given again. */
function freshBdkId(slots: readonly Slot[], random: SlotTurn['random']): string {
  const taken = new Set(slots.map(({ bdkId }) => bdkId));
  for (;;) {
    const id = random.bytes(BDK_ID_BYTES).toString('hex').toUpperCase();
    if (!taken.has(id)) return id;
  }
}
