import { type Random, randomFraction } from '../../ports/random.ts';
import type { TransactionTerms } from '../../sessions/transaction.ts';
import type { VirtualCard } from '../card/card.ts';
import type { PhoneBehaviour } from './behaviour.ts';
import type { VirtualPhone } from './phone.ts';
import { PhoneRefused, ServiceNotTrusted } from './refused.ts';
import type { PhoneSessionStream } from './session.ts';

/** Where a phone of the fleet stands. */
export type FleetState = 'waiting' | 'preparing' | 'in session' | 'paying' | 'held off' | 'out';

/** A phone that joins a fleet. */
export interface FleetMember {
  readonly phone: VirtualPhone;
  /** For the summary. */
  readonly profile: string;
  readonly behaviour: PhoneBehaviour;
  /** Where it pays. */
  readonly card: VirtualCard;
  /** An invite's code, asked for once. */
  readonly invite: () => Promise<string>;
  /** Terms of its next payment, with an order of its own. */
  readonly nextSale: () => TransactionTerms;
}

/** What a fleet runs on. */
export interface FleetSetting {
  readonly random: Random;
  /** Phones that begin in a second. */
  readonly perSecond: number;
  /** Between two payments of a phone, on the average. */
  readonly pauseMilliseconds: number;
  /** Waits; ends early, without a word, where the signal is aborted. */
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** What the phones of one profile did so far. */
export interface FleetCount {
  readonly profile: string;
  readonly states: ReadonlyMap<FleetState, number>;
  readonly grants: number;
  readonly pins: number;
  readonly reconnects: number;
  readonly directives: number;
  /** Refusals by their first reason. */
  readonly refusals: ReadonlyMap<string, number>;
}

interface Counting {
  readonly states: Map<FleetState, number>;
  readonly refusals: Map<string, number>;
  grants: number;
  pins: number;
  reconnects: number;
  directives: number;
}

/** A phone that is refused for one of these is never let in again. */
const OUT_FOR_GOOD: ReadonlySet<string> = new Set(['DEVICE_REVOKED', 'INVITE_INVALID']);
/** After one of these its token is of no use any more. */
const TOKEN_GONE: ReadonlySet<string> = new Set([
  'TOKEN_INVALID',
  'SESSION_UNKNOWN',
  'SESSION_ENDED',
  'ATTESTATION_DUE',
  'DEVICE_SUSPENDED',
]);

const SHORTEST_WAIT = 500;
const LONGEST_WAIT = 30_000;
/** The customer's time at the pad. */
const AT_PAD = 200;

/** Virtual phones that live a day's life: enrol, get keys, keep a session, pay, and come back from whatever befalls them. */
export class Fleet {
  readonly #setting: FleetSetting;
  readonly #counts = new Map<string, Counting>();

  constructor(setting: FleetSetting) {
    this.#setting = setting;
  }

  /** What was done so far, by profile. */
  summary(): readonly FleetCount[] {
    return [...this.#counts].map(([profile, count]) => ({ profile, ...count }));
  }

  /** Lets the phones live until the signal is aborted. */
  async run(members: readonly FleetMember[]): Promise<void> {
    for (const { profile } of members) this.#move(this.#countOf(profile), null, 'waiting');
    await Promise.all(members.map((member, at) => this.#live(member, at)));
  }

  async #live(member: FleetMember, at: number): Promise<void> {
    const { signal, sleep, perSecond } = this.#setting;
    const life = new Life(member, this.#setting, this.#countOf(member.profile), (from, to) =>
      this.#move(this.#countOf(member.profile), from, to),
    );
    await sleep((at / perSecond) * 1000);
    while (!signal.aborted && !life.isOut) await life.goOn();
    member.phone.endProcess();
  }

  #countOf(profile: string): Counting {
    let count = this.#counts.get(profile);
    if (count === undefined) {
      count = { states: new Map(), refusals: new Map(), grants: 0, pins: 0, reconnects: 0, directives: 0 };
      this.#counts.set(profile, count);
    }
    return count;
  }

  #move({ states }: Counting, from: FleetState | null, to: FleetState): void {
    if (from !== null) states.set(from, (states.get(from) ?? 1) - 1);
    states.set(to, (states.get(to) ?? 0) + 1);
  }
}

/** The life of one phone. */
class Life {
  readonly #member: FleetMember;
  readonly #setting: FleetSetting;
  readonly #count: Counting;
  readonly #moved: (from: FleetState, to: FleetState) => void;
  #state: FleetState = 'waiting';
  #failures = 0;
  #tokenGone = true;

  constructor(
    member: FleetMember,
    setting: FleetSetting,
    count: Counting,
    moved: (from: FleetState, to: FleetState) => void,
  ) {
    this.#member = member;
    this.#setting = setting;
    this.#count = count;
    this.#moved = moved;
  }

  get isOut(): boolean {
    return this.#state === 'out';
  }

  /** One session, from whatever is missing for it to its end; then waits as long as it failed before. */
  async goOn(): Promise<void> {
    try {
      this.#become('preparing');
      await this.#prepare();
      await this.#session();
      this.#failures = 0;
    } catch (error) {
      await this.#fail(error);
    }
  }

  async #prepare(): Promise<void> {
    const { phone, invite } = this.#member;
    if (phone.memory.deviceId === null) await phone.attest(await invite());
    else if (this.#tokenGone) await phone.resume();
    this.#tokenGone = false;
    if (phone.memory.keys === null) await phone.injectKeys();
  }

  async #session(): Promise<void> {
    const { phone, behaviour } = this.#member;
    phone.memory.posture = new Set(behaviour.posture);
    const session = await phone.openSession();
    try {
      this.#become('in session');
      while (!this.#setting.signal.aborted) {
        if (await this.#idle(session)) return;
        await this.#pay(session);
        this.#failures = 0;
        if (behaviour.killed) return this.#dieAndReturn();
      }
    } finally {
      session.close();
    }
  }

  /** Stays for a pause; true where the session has to be opened anew. */
  async #idle(session: PhoneSessionStream): Promise<boolean> {
    const { pauseMilliseconds, random, signal } = this.#setting;
    const { phone, behaviour } = this.#member;
    const until = performance.now() + pauseMilliseconds * (0.5 + randomFraction(random));
    for (let left = 1; left > 0 && !signal.aborted; left = until - performance.now()) {
      // Short stays: a fleet that is told to stop does so soon.
      const directive = await session.stay(Math.min(left, 500), { silent: behaviour.silent });
      if (directive === null) continue;
      this.#count.directives += 1;
      if (await phone.obey(directive)) return true;
    }
    return false;
  }

  async #pay(session: PhoneSessionStream): Promise<void> {
    const { phone, behaviour, card, nextSale } = this.#member;
    this.#become('paying');
    try {
      const transaction = await session.begin(nextSale());
      this.#count.grants += 1;
      const tap = phone.tap(transaction, card);
      const { pin, pan } = card.account;
      const entered =
        tap.verification === 'online-pin'
          ? await phone.enterPin(
              tap,
              { pin, pan },
              {
                whilePadShows: async (pad) => {
                  phone.memory.posture = new Set([...behaviour.posture, ...behaviour.pinPosture]);
                  await pad.report();
                  await this.#setting.sleep(AT_PAD);
                },
              },
            )
          : null;
      if (entered !== null) this.#count.pins += 1;
      phone.sign(tap, entered);
    } catch (error) {
      // Refused for what it is: the session goes on, as an app's does.
      if (!(error instanceof PhoneRefused) || isOfSession(error)) throw error;
      this.#refused(error);
    } finally {
      phone.memory.posture = new Set(behaviour.posture);
      this.#become('in session');
    }
  }

  #dieAndReturn(): void {
    this.#member.phone.endProcess();
    this.#tokenGone = true;
  }

  async #fail(error: unknown): Promise<void> {
    const { sleep, random, signal } = this.#setting;
    if (signal.aborted) return;
    this.#failures += 1;
    if (error instanceof PhoneRefused) {
      this.#refused(error);
      const [first = ''] = error.reasons;
      if (TOKEN_GONE.has(first)) this.#tokenGone = true;
      if (first === 'KEYS_NOT_ACTIVE' || first === 'KEYS_EXHAUSTED') this.#member.phone.memory.keys = null;
      if (OUT_FOR_GOOD.has(first)) return this.#become('out');
    } else if (error instanceof ServiceNotTrusted) this.#tally('REFUSED_BY_PHONE');
    else this.#count.reconnects += 1;
    this.#become('held off');
    const longest = Math.min(LONGEST_WAIT, SHORTEST_WAIT * 2 ** Math.min(this.#failures, 10));
    await sleep(longest * (0.5 + randomFraction(random) / 2));
  }

  #refused({ reasons }: PhoneRefused): void {
    this.#tally(reasons[0] ?? 'UNKNOWN');
  }

  #tally(reason: string): void {
    this.#count.refusals.set(reason, (this.#count.refusals.get(reason) ?? 0) + 1);
  }

  #become(state: FleetState): void {
    if (state === this.#state) return;
    this.#moved(this.#state, state);
    this.#state = state;
  }
}

/** Refusals after which the session or its keys are not what they were. */
function isOfSession({ reasons }: PhoneRefused): boolean {
  const [first = ''] = reasons;
  return TOKEN_GONE.has(first) || OUT_FOR_GOOD.has(first) || first.startsWith('KEYS_');
}
