import type { GeneratedSlot, ShownSlot } from '../../keys/custody.ts';
import type { SlotKind } from '../../keys/kind.ts';
import { planChange, planGeneration, type SlotFault, type SlotSeries } from '../../keys/slots.ts';
import { type SlotState, useOf } from '../../keys/state.ts';
import { secondsAfter } from '../../ports/clock.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { DerivationLedger, type InitialKeyIdLedger } from '../derivation-ids/ledger.ts';
import { type VaultKeys, wipeKeys } from '../keys.ts';
import { TokenError } from '../pkcs11/token-error.ts';
import type { VaultPorts } from '../ports.ts';
import { CheckpointLedger, type SignedCheckpoints } from '../signed-checkpoints/ledger.ts';
import { changeKeystore } from './change.ts';
import { type OpenedKeystore, onlyActive, openKeystore } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { newSlotId, SERVICE_KEY_DAYS } from './initialise.ts';
import { loadKeystore, reloadKeystore } from './load.ts';
import { asSigningKey, makeDerivationSlot, makeSigningSlot, openKey, wipeKey } from './opened-key.ts';
import { type KeystorePlace, keystoreAt } from './place.ts';
import { settleMasterKey } from './renewal.ts';
import type { FileSystem } from './replace.ts';
import { endOf, endorse, endorsePublished } from './service-key.ts';
import type { SigningKey } from './signing-key.ts';
import { isKeptByToken, keySlotOf, type Slot, withChange } from './slot.ts';
import { BDK_BITS } from './token-slot.ts';
import { Tr34Requests } from './tr34-requests.ts';
import { type SlotTurn, turnSlot } from './turn.ts';
import { makeZoneKey } from './zone-ceremony.ts';

/** Why the custodian changes nothing. */
export type CustodyFault = KeystoreFault | SlotFault | 'ZONE_KEK_MISSING';

const SECONDS_A_DAY = 86_400;
const BDK_ID_BYTES = 4;

/** What the custodian and its ledger work with, a change later too. */
interface KeysInUse {
  keys: VaultKeys;
}

interface MadeSlot {
  readonly slot: Slot;
  readonly keyBlock: string;
}

/** The open keystore of a vault's process: the keys in use, and the one hand that changes their slots. */
export class Custodian {
  readonly #place: KeystorePlace;
  readonly #ports: VaultPorts;
  readonly #files: FileSystem | undefined;
  readonly #inUse: KeysInUse;
  /** Which initial key ids this vault has offered. */
  readonly ledger: InitialKeyIdLedger;
  /** Which checkpoint of the audit log this vault has signed last. */
  readonly checkpoints: SignedCheckpoints;
  /** Key tokens of TR-34 that are expected. */
  readonly tr34 = new Tr34Requests();
  #isStale = false;

  private constructor(
    place: KeystorePlace,
    ports: VaultPorts,
    inUse: KeysInUse,
    ledger: InitialKeyIdLedger,
    files: FileSystem | undefined,
  ) {
    this.#place = place;
    this.#ports = ports;
    this.#inUse = inUse;
    this.ledger = ledger;
    this.checkpoints = new CheckpointLedger(keystoreAt(place).directory, () => inUse.keys, files);
    this.#files = files;
  }

  /** Opens a keystore. Refuses with a {@link KeystoreFault}. */
  static open(place: KeystorePlace, ports: VaultPorts, files?: FileSystem): Result<Custodian, KeystoreFault> {
    const keys = loadKeystore(place);
    if (!keys.ok) return keys;
    // Where it cannot be done, the keystore opens as it did.
    settleMasterKey(place, files);
    const inUse = { keys: keys.value };
    const ledger = DerivationLedger.open(keystoreAt(place).directory, () => inUse.keys, files);
    if (!ledger.ok) {
      wipeKeys(keys.value);
      return ledger;
    }
    const custodian = new Custodian(place, ports, inUse, ledger.value, files);
    custodian.#sweep();
    return ok(custodian);
  }

  /**
   * The keys in use; those of before a change are wiped by it. Throws TokenError where a change was made and the token has
   * not let the keys after it be loaded since: a key that was taken out of use is not used for want of the others.
   */
  get keys(): VaultKeys {
    if (!this.#isStale) return this.#inUse.keys;
    const reloaded = this.reload();
    if (!reloaded.ok) throw new TokenError(`${reloaded.reason} ${reloaded.detail ?? ''}`);
    return this.#inUse.keys;
  }

  /** The keys that are held, also where they are not to be worked with. */
  get loaded(): VaultKeys {
    return this.#inUse.keys;
  }

  /** Takes what a ceremony has changed; where it is refused, the keys in use stay. */
  reload(): Result<null, KeystoreFault> {
    const reloaded = reloadKeystore(this.#place, this.#inUse.keys);
    if (!reloaded.ok) return reloaded;
    this.#inUse.keys = reloaded.value;
    this.#isStale = false;
    this.#sweep();
    return ok(null);
  }

  /** Every slot, without its key. */
  list(): Result<readonly ShownSlot[], KeystoreFault> {
    const listed = this.listed();
    return listed.ok ? ok(listed.value.slots) : listed;
  }

  /** Every slot, without its key, and the generation that they are of. */
  listed(): Result<{ readonly slots: readonly ShownSlot[]; readonly generation: number }, KeystoreFault> {
    return this.read(({ slots, generation }) => ok({ slots: slots.map((slot) => this.#shown(slot)), generation }));
  }

  /** Makes a key in a prepared slot. */
  generate(series: SlotSeries, by: string): Result<GeneratedSlot, CustodyFault> {
    let made: MadeSlot | null = null;
    const changed = changeKeystore<CustodyFault>(
      this.#place,
      (keystore) => {
        const { slots } = keystore;
        const allowed = planGeneration(slots.map(keySlotOf), series);
        if (!allowed.ok) return allowed;
        const next = makeSlot(series, 'prepared', keystore, this.#turn(by));
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

  /** Adds a prepared slot that `make` makes of a key from outside; where it refuses, nothing is changed. */
  add<R extends string>(
    series: SlotSeries,
    by: string,
    make: (keystore: OpenedKeystore, turn: SlotTurn) => Result<Slot, R>,
  ): Result<ShownSlot, CustodyFault | R> {
    let added: Slot | null = null;
    const changed = changeKeystore<CustodyFault | R>(
      this.#place,
      (keystore) => {
        const allowed = planGeneration(keystore.slots.map(keySlotOf), series);
        if (!allowed.ok) return allowed;
        const made = make(keystore, this.#turn(by));
        if (!made.ok) return made;
        added = made.value;
        return ok([...keystore.slots, made.value]);
      },
      this.#files,
    );
    const taken = this.#take(changed);
    // The compiler does not see that the work above has run.
    return taken.ok ? ok(this.#shown(added as unknown as Slot)) : taken;
  }

  /** Works with the opened keystore and changes nothing. */
  read<T, R extends string>(work: (keystore: OpenedKeystore) => Result<T, R>): Result<T, R | KeystoreFault> {
    const keystore = openKeystore(this.#place);
    if (!keystore.ok) return keystore;
    try {
      return work(keystore.value);
    } finally {
      keystore.value.kek.wipe();
    }
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
      this.#place,
      (keystore) => {
        const { slots, kek } = keystore;
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
        const successor = makeSlot(plan.value.generate, 'active', keystore, turn);
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
  #take<R extends string>(changed: Result<null, CustodyFault | R>): Result<null, CustodyFault | R> {
    if (!changed.ok && changed.reason !== 'KEYSTORE_IO') return changed;
    const reloaded = this.reload();
    this.#isStale = !reloaded.ok;
    return changed.ok ? reloaded : changed;
  }

  /** Destroys keys in the token whose slots hold none any more; one that the token keeps is tried again at the next load. */
  #sweep(): void {
    const { token } = keystoreAt(this.#place);
    const slots = token === null ? null : this.list();
    if (token === null || !slots?.ok) return;
    for (const { id, kind, state } of slots.value) {
      if (useOf(state).isHeld || !isKeptByToken(kind)) continue;
      try {
        token.destroy(id);
      } catch (error) {
        if (!(error instanceof TokenError)) throw error;
        return;
      }
    }
  }

  #shown(slot: Slot): ShownSlot {
    const keyId = slot.keyId ?? this.#inUse.keys.publicKeys.find((key) => key.slotId === slot.id)?.keyId ?? '';
    const { kcv: keyCheckValue, bdkId = '', entered } = slot;
    const expiresAt = slot.kind === 'grant' ? endOf(slot.endorsement) : undefined;
    return { ...keySlotOf(slot), keyCheckValue, keyId, bdkId, enteredBy: entered?.by, expiresAt };
  }
}

/** A new key of a series, wrapped as a slot. */
function makeSlot(
  { kind, acquirer }: SlotSeries,
  state: 'prepared' | 'active',
  keystore: OpenedKeystore,
  turn: SlotTurn,
): Result<MadeSlot, CustodyFault> {
  const { slots, kek } = keystore;
  if (kind === 'zone-pin' || kind === 'zone-data') {
    const made = makeZoneKey(kind, acquirer ?? '', state, slots, kek, turn);
    return made.ok ? ok({ slot: made.value.slot, keyBlock: made.value.offer.block }) : made;
  }
  const { random, clock, by } = turn;
  const history = withChange(undefined, { state, at: clock.now(), by });
  const description = { id: newSlotId(kind, random), kind, state, history };
  const withoutBlock = <R extends string>(slot: Result<Slot, R>): Result<MadeSlot, R> =>
    slot.ok ? ok({ slot: slot.value, keyBlock: '' }) : slot;
  switch (kind) {
    case 'bdk-pin':
    case 'bdk-account-data':
      return withoutBlock(
        ok(makeDerivationSlot({ ...description, bdkId: freshBdkId(slots, random) }, BDK_BITS, keystore, random)),
      );
    case 'device-token':
    case 'receipt':
    case 'audit':
    case 'grant':
      return withoutBlock(
        makeSigningSlot(description, keystore, random, (key) => endorsementOf(kind, key, keystore, turn)),
      );
    default:
      return refuse('KEY_KIND_FIXED', kind satisfies SlotKind);
  }
}

function endorsementOf(
  kind: SlotKind,
  key: SigningKey,
  keystore: OpenedKeystore,
  { clock }: SlotTurn,
): Result<Pick<Slot, 'endorsement' | 'published'>, KeystoreFault> {
  const anchorSlot = onlyActive(keystore.slots, 'anchor');
  if (!anchorSlot.ok) return anchorSlot;
  const anchor = openKey(anchorSlot.value, keystore);
  if (!anchor.ok) return anchor;
  const notAfter = Math.floor(secondsAfter(clock.now(), SERVICE_KEY_DAYS * SECONDS_A_DAY).getTime() / 1000);
  try {
    const by = asSigningKey(anchor.value);
    const published = endorsePublished(by, kind, key);
    return ok(kind === 'grant' ? { published, endorsement: endorse(by, key, notAfter) } : { published });
  } finally {
    wipeKey(anchor.value);
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
