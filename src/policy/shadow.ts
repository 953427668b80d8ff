import type { PolicySubject } from './resolve.ts';
import type { PolicySource } from './source.ts';
import type { PolicyVersion } from './version.ts';

/** Where a candidate is evaluated beside the version in force. */
export type ShadowPoint = 'attestation' | 'grant' | 'pin' | 'payment';

/**
 * How a candidate differs: it would refuse, it would allow, it refuses for another reason, it allows on other terms, or it
 * could not be evaluated.
 */
export type ShadowOutcome = 'would-refuse' | 'would-allow' | 'other-reason' | 'other-terms' | 'failed';

/** What a version decides: reasons of a refusal, the first the one that is told; none where it allows, on which terms. */
export interface ShadowVerdict {
  readonly reasons: readonly string[];
  readonly terms?: string;
}

/** One kind of difference, and of how many decisions it was met since it was taken last. */
export interface ShadowCount {
  readonly candidate: string;
  readonly point: ShadowPoint;
  readonly outcome: ShadowOutcome;
  /** The reason, or the terms, that make the difference. */
  readonly rule: string;
  readonly times: number;
  /** The phones of which it was met, each once, up to a bound. */
  readonly phones: readonly string[];
}

/** How a candidate's verdict differs; null where it is the same. */
export function differenceOf(
  active: ShadowVerdict,
  candidate: ShadowVerdict,
): Pick<ShadowCount, 'outcome' | 'rule'> | null {
  const [before] = active.reasons;
  const [after] = candidate.reasons;
  if (before === undefined && after === undefined) {
    return active.terms === candidate.terms ? null : { outcome: 'other-terms', rule: candidate.terms ?? '' };
  }
  if (before === undefined) return { outcome: 'would-refuse', rule: after ?? '' };
  if (after === undefined) return { outcome: 'would-allow', rule: before };
  return before === after ? null : { outcome: 'other-reason', rule: after };
}

interface Tally {
  times: number;
  readonly phones: Set<string>;
}

/** Kinds of differences between two takings; a candidate has a few dozen. */
const MAXIMUM_KINDS = 1000;
const MAXIMUM_PHONES = 1000;

/**
 * Evaluates candidates beside what decides, and counts where they differ. Whatever goes wrong here is a count of its own
 * and never reaches the decision.
 */
export class Shadow<P> {
  readonly #source: Pick<PolicySource<P>, 'state'>;
  readonly #onDifference: (point: ShadowPoint, outcome: ShadowOutcome) => void;
  #tallies = new Map<string, Tally>();
  readonly #compared = new Map<string, number>();

  constructor(
    source: Pick<PolicySource<P>, 'state'>,
    onDifference: (point: ShadowPoint, outcome: ShadowOutcome) => void = () => {},
  ) {
    this.#source = source;
    this.#onDifference = onDifference;
  }

  /**
   * Has the same judge judge a subject by the version in force and by its candidate, where there is one. Never throws.
   * `judge` looks at what is at hand and changes nothing.
   */
  compare(point: ShadowPoint, subject: PolicySubject, judge: (policy: PolicyVersion<P>) => ShadowVerdict): void {
    try {
      const state = this.#source.state();
      const candidate = state.shadowFor(subject);
      if (candidate === null) return;
      const { version } = candidate;
      this.#countComparison(version, point);
      const difference = this.#differ(
        () => judge(state.for(subject)),
        () => judge(candidate),
      );
      if (difference !== null) this.#count(version, point, difference, subject.deviceId);
    } catch {
      // No candidate is to be had: nothing to compare with.
    }
  }

  #differ(active: () => ShadowVerdict, candidate: () => ShadowVerdict): ReturnType<typeof differenceOf> {
    try {
      return differenceOf(active(), candidate());
    } catch {
      return { outcome: 'failed', rule: '' };
    }
  }

  #countComparison(version: string, point: ShadowPoint): void {
    const key = `${version} ${point}`;
    if (!this.#compared.has(key) && this.#compared.size >= MAXIMUM_KINDS) return;
    this.#compared.set(key, (this.#compared.get(key) ?? 0) + 1);
  }

  #count(
    candidate: string,
    point: ShadowPoint,
    { outcome, rule }: Pick<ShadowCount, 'outcome' | 'rule'>,
    deviceId: string | null,
  ): void {
    this.#onDifference(point, outcome);
    const key = JSON.stringify([candidate, point, outcome, rule]);
    let tally = this.#tallies.get(key);
    if (tally === undefined) {
      if (this.#tallies.size >= MAXIMUM_KINDS) return;
      tally = { times: 0, phones: new Set() };
      this.#tallies.set(key, tally);
    }
    tally.times += 1;
    if (deviceId !== null && tally.phones.size < MAXIMUM_PHONES) tally.phones.add(deviceId);
  }

  /** How many decisions were compared, by candidate and point. */
  compared(): readonly { readonly candidate: string; readonly point: string; readonly times: number }[] {
    return [...this.#compared].map(([key, times]) => {
      const [candidate = '', point = ''] = key.split(' ');
      return { candidate, point, times };
    });
  }

  /** Takes what was counted; it is not answered again. */
  take(): readonly ShadowCount[] {
    const taken = this.#tallies;
    this.#tallies = new Map();
    return [...taken].map(([key, { times, phones }]) => {
      const [candidate, point, outcome, rule] = JSON.parse(key) as [string, ShadowPoint, ShadowOutcome, string];
      return { candidate, point, outcome, rule, times, phones: [...phones] };
    });
  }
}

/** Differences of one candidate as they are kept. */
export interface KeptShadowCount extends Omit<ShadowCount, 'phones' | 'times'> {
  readonly times: bigint;
  /** Phones of which it was met, up to the bound of the store. */
  readonly phones: number;
  readonly lastSeen: Date;
}

/** Differences of candidates, by the hour, durable and bounded. */
export interface ShadowStore {
  record(counts: readonly ShadowCount[], at: Date): Promise<void>;
  /** Of one candidate, or of all where null, since an hour. */
  results(candidate: string | null, since: Date): Promise<readonly KeptShadowCount[]>;
  /** Removes what is of before; answers how many rows. */
  prune(before: Date): Promise<number>;
}
