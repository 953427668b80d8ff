import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Appraiser } from '../../attestation/appraiser.ts';
import {
  type KeptEvidence,
  type Lease,
  type LeasedReappraisal,
  type ReappraisalPrompt,
  type ReappraisalStore,
  type Reappraised,
  reappraise,
} from '../../devices/reappraisal.ts';
import type { PolicySubject } from '../../policy/resolve.ts';
import { type Clock, secondsAfter } from '../../ports/clock.ts';
import { type Random, randomUuid } from '../../ports/random.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import type { Timer } from '../timer.ts';

/** How fast devices are appraised again, and how soon another replica takes over. */
export interface ReappraisalPace {
  /** Devices of one page; a page that was cut off is done again. */
  readonly pageSize: number;
  readonly devicesPerSecond: number;
  /** A replica that is silent for so long has lost its run. At least a few times as long as a page takes. */
  readonly leaseSeconds: number;
}

/** What the worker stands on. */
export interface ReappraisalPorts {
  readonly store: ReappraisalStore;
  /** What a phone is judged by: the version of policy that holds for it. */
  readonly judgeOf: (subject: PolicySubject) => { readonly appraiser: Appraiser; readonly policyVersion: string };
  /** What holds for all phones together: a run is noted where it is not what the latest run went by. */
  readonly policyVersion: () => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly timer: Timer;
  readonly pace: ReappraisalPace;
  /** Told of each phone whose session was ended, so that it hears of it at once. */
  readonly onEnded: (deviceId: string, reasons: readonly Reason[]) => void;
  /** Told of each run that came to its end, and of each error that interrupted one. */
  readonly onFinished: (runId: string) => void;
  readonly onFailure: (error: unknown) => void;
}

/** Appraises all active devices again when it is asked to, one run at a time over all replicas. */
export interface ReappraisalWorker {
  /** Notes a run; it is done here or by another replica. Answers its id. */
  request(prompt: ReappraisalPrompt, by: string): Promise<string>;
  /** Notes a run where the policy is not the one of the latest run, and begins to work. */
  start(): Promise<void>;
  /** Gives up the run that is under way; it goes on where the last whole page ended. */
  stop(): Promise<void>;
}

/** Who asks for the runs that nobody asks for by hand. */
export const REQUESTED_BY_SERVICE = 'tapgate';

type Outcome = 'done' | 'lease-lost' | 'stopped';

class Worker implements ReappraisalWorker {
  readonly #ports: ReappraisalPorts;
  readonly #holder: string;
  readonly #stopping = new AbortController();
  #wake: (() => void) | null = null;
  #woken = false;
  #working: Promise<void> | null = null;

  constructor(ports: ReappraisalPorts) {
    this.#ports = ports;
    this.#holder = randomUuid(ports.random);
  }

  async request(prompt: ReappraisalPrompt, by: string): Promise<string> {
    const { store, clock, random, policyVersion } = this.#ports;
    const noted = { id: randomUuid(random), prompt, by, at: clock.now(), policyVersion: policyVersion() };
    const id = await store.request(noted);
    this.#woken = true;
    this.#wake?.();
    return id;
  }

  async start(): Promise<void> {
    if (this.#working !== null || this.#stopping.signal.aborted) return;
    const last = await this.#ports.store.lastPolicyVersion();
    if (last !== this.#ports.policyVersion()) await this.request('policy', REQUESTED_BY_SERVICE);
    this.#working = this.#work();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake?.();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const worked = await this.#claimAndRun().catch((error: unknown) => {
        this.#ports.onFailure(error);
        return false;
      });
      if (!worked) await this.#idle();
    }
  }

  /** False where there was nothing to do. */
  async #claimAndRun(): Promise<boolean> {
    const { store, clock, policyVersion } = this.#ports;
    this.#woken = false;
    const claimed = await store.claim(this.#holder, policyVersion(), clock.now(), this.#leaseEnd());
    if (claimed === null) return false;
    const lease: Lease = { runId: claimed.run.id, holder: this.#holder };
    const outcome = await this.#run(claimed, lease);
    if (outcome === 'done') this.#ports.onFinished(lease.runId);
    if (outcome === 'stopped') await store.release(lease);
    return outcome === 'done';
  }

  async #run(claimed: LeasedReappraisal, lease: Lease): Promise<Outcome> {
    const { store, clock, pace } = this.#ports;
    let { position } = claimed;
    for (;;) {
      if (this.#stopping.signal.aborted) return 'stopped';
      const began = clock.now().getTime();
      const page = await store.evidence(position, pace.pageSize);
      const last = page.at(-1);
      if (last === undefined) return (await store.finish(lease, clock.now())) ? 'done' : 'lease-lost';
      const undecided = await this.#examine(page, lease);
      if (typeof undecided === 'string') return undecided;
      const done = { position: last.deviceId, examined: page.length, undecided };
      if (!(await store.advance(lease, done, this.#leaseEnd()))) return 'lease-lost';
      position = last.deviceId;
      const due = (page.length / pace.devicesPerSecond) * 1000;
      await this.#pause(due - (clock.now().getTime() - began));
    }
  }

  /** The number of devices of which nothing could be decided, or why the page was not finished. */
  async #examine(page: readonly KeptEvidence[], lease: Lease): Promise<number | Exclude<Outcome, 'done'>> {
    let undecided = 0;
    for (const evidence of page) {
      // An appraisal is a millisecond of arithmetic: payments go in between.
      await nextTurn();
      if (this.#stopping.signal.aborted) return 'stopped';
      const { clock, judgeOf } = this.#ports;
      const { appraiser, policyVersion } = judgeOf(evidence);
      const result = reappraise(evidence, clock.now(), appraiser);
      if (result.outcome === 'stands') continue;
      if (result.outcome === 'undecided') undecided += 1;
      else if ((await this.#end(evidence, result, policyVersion, lease)) === 'lease-lost') return 'lease-lost';
    }
    return undecided;
  }

  async #end(
    { deviceId, acquirer, thumbprint }: KeptEvidence,
    result: Extract<Reappraised, { readonly checks: unknown }>,
    policyVersion: string,
    lease: Lease,
  ): Promise<'ended' | 'moved-on' | 'lease-lost'> {
    const { store, clock, random, onEnded } = this.#ports;
    const appraisal = { appraisalId: randomUuid(random), policyVersion, ...result };
    const ended = await store.end(lease, { deviceId, acquirer, thumbprint, ...appraisal }, () => clock.now());
    if (ended === 'ended') onEnded(deviceId, result.reasons);
    return ended;
  }

  #leaseEnd(): Date {
    const { clock, pace } = this.#ports;
    // The pause of a page belongs to it.
    return secondsAfter(clock.now(), pace.leaseSeconds + pace.pageSize / pace.devicesPerSecond);
  }

  /** Until a run is noted here, or it is time to look for one that another replica has left. */
  async #idle(): Promise<void> {
    if (!this.#woken) await this.#pause(this.#ports.pace.leaseSeconds * 500);
  }

  #pause(milliseconds: number): Promise<void> {
    if (milliseconds <= 0 || this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#ports.timer.after(milliseconds, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = null;
        cancel();
        resolve();
      };
    });
  }
}

/** A worker that has not started. */
export function createReappraisalWorker(ports: ReappraisalPorts): ReappraisalWorker {
  return new Worker(ports);
}
