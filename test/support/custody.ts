import type {
  ExportedKey,
  GeneratedSlot,
  ImportedSlot,
  IncomingKey,
  KeyCustody,
  ShownSlot,
  Tr34Credential,
  Tr34Destination,
  Tr34Request,
  Tr34Role,
} from '../../src/keys/custody.ts';
import type { SlotKind } from '../../src/keys/kind.ts';
import { planChange, planGeneration, type SlotSeries } from '../../src/keys/slots.ts';
import type { SlotState } from '../../src/keys/state.ts';
import type { KeySetsResting, KeyUse, NamedBdk } from '../../src/keys/use.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { ok, type Result, refuse } from '../../src/reasons/result.ts';

/** What a custodian of the tests was asked for. */
export type Asked = readonly [call: keyof KeyCustody, ...values: readonly unknown[]];

/** Slots in memory under the rules of slots, without keys. Any call can be told to refuse. */
export class MemoryCustody implements KeyCustody {
  slots: ShownSlot[] = [];
  readonly asked: Asked[] = [];
  refusal: readonly [Reason, string?] | null = null;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts a slot there, in its state since an instant. */
  put(id: string, kind: SlotKind, state: SlotState, since: Date, more: Partial<ShownSlot> = {}): void {
    const history = [{ state, at: since, by: 'somebody' }];
    this.slots.push({ id, kind, state, history, keyCheckValue: '0102030405', keyId: '', bdkId: '', ...more });
  }

  listKeys(): Promise<Result<readonly ShownSlot[]>> {
    return this.#answer(['listKeys'], () => ok(this.slots));
  }

  generateKey(series: SlotSeries, by: string): Promise<Result<GeneratedSlot>> {
    return this.#answer(['generateKey', series, by], () => {
      const allowed = planGeneration(this.slots, series);
      if (!allowed.ok) return allowed;
      this.put(`${series.kind}-new`, series.kind, 'prepared', this.#clock.now(), { acquirer: series.acquirer });
      return ok({ slot: this.slots.at(-1)!, keyBlock: series.acquirer === undefined ? '' : 'D0000' });
    });
  }

  changeKeyState(slotId: string, to: SlotState, by: string): Promise<Result<readonly ShownSlot[]>> {
    return this.#answer(['changeKeyState', slotId, to, by], () => {
      const plan = planChange(this.slots, slotId, to);
      if (!plan.ok) return plan;
      const changed = new Map(plan.value.changes.map((step) => [step.id, step.to]));
      const at = this.#clock.now();
      this.slots = this.slots.map((slot) => {
        const state = changed.get(slot.id);
        return state === undefined ? slot : { ...slot, state, history: [...slot.history, { state, at, by }] };
      });
      return ok(this.slots.filter(({ id }) => changed.has(id)));
    });
  }

  importKey(incoming: IncomingKey, by: string): Promise<Result<ImportedSlot>> {
    return this.#answer(['importKey', incoming, by], () => {
      const { kind, acquirer } = incoming.series;
      this.put(`${kind}-imported`, kind, 'prepared', this.#clock.now(), { acquirer, enteredBy: 'key-block' });
      return ok({ slot: this.slots.at(-1)!, tolerated: incoming.tolerate });
    });
  }

  exportKey(
    slotId: string,
    tr34: Tr34Destination | null,
    tolerate: readonly string[],
    by: string,
  ): Promise<Result<ExportedKey>> {
    return this.#answer(['exportKey', slotId, tr34, tolerate, by], () => {
      const slot = this.slots.find(({ id }) => id === slotId);
      if (slot === undefined) return refuse('KEY_SLOT_UNKNOWN', slotId);
      const token = tr34 === null ? Buffer.alloc(0) : Buffer.from('KT');
      return ok({ slot, keyBlock: tr34 === null ? 'D0144' : '', tr34KeyToken: token, tolerated: tolerate });
    });
  }

  tr34Credential(acquirer: string, role: Tr34Role, revocationList: Buffer): Promise<Result<Tr34Credential>> {
    const end = { fingerprint: Buffer.alloc(32, 1), notAfter: this.#clock.now() };
    return this.#answer(['tr34Credential', acquirer, role, revocationList], () =>
      ok({ token: Buffer.from('CT'), own: end, bound: end }),
    );
  }

  requestTr34Key(acquirer: string): Promise<Result<Tr34Request>> {
    return this.#answer(['requestTr34Key', acquirer], () =>
      ok({ randomNumberToken: Buffer.from('RT'), expiresAt: this.#clock.now() }),
    );
  }

  async #answer<T>(asked: Asked, work: () => Result<T>): Promise<Result<T>> {
    this.asked.push(asked);
    return this.refusal === null ? work() : refuse(...this.refusal);
  }
}

/** What rests on base derivation keys, as a test says it. */
export class StatedKeyUse implements KeyUse {
  resting: KeySetsResting = { live: 0, unsettled: 0 };
  readonly asked: NamedBdk[] = [];

  async restingOn(bdk: NamedBdk): Promise<KeySetsResting> {
    this.asked.push(bdk);
    return this.resting;
  }

  async keySetsOnDraining(): Promise<ReadonlySet<string>> {
    return new Set();
  }
}
