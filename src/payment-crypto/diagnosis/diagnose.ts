/** What may have been confused. */
export type Fault =
  | 'INTERMEDIATE_KEY'
  | 'INITIAL_KEY'
  | 'GIVEN_KEY'
  | 'BDK_AS_INITIAL_KEY'
  | 'INITIAL_KEY_AS_BDK'
  | 'USAGE'
  | 'KEY_TYPE'
  | 'KCV_METHOD'
  | 'KSN_COUNTER'
  | 'KSN_BYTE_ORDER'
  | 'KEY_HALVES'
  | 'KEY_BYTE_ORDER'
  | 'KEY_PARITY'
  | 'KEY_ALGORITHM'
  | 'KEY_LENGTH'
  | 'PAN_DIGITS'
  | 'PAN_NOT_BOUND'
  | 'PIN_BLOCK_FORMAT'
  | 'BLOCK_NOT_ENCIPHERED'
  | 'TEXT_ENCODING'
  | 'KEY_BLOCK_VERSION'
  | 'KEY_BLOCK_HEADER'
  | 'KEY_BLOCK_LENGTH';

/** One way in which a state may have come about wrongly, and the state as it would then have been. */
export interface Variant<State> {
  readonly fault: Fault;
  /** One sentence for people, without a key. */
  readonly says: string;
  readonly state: State;
}

/** Names the variants of a state under one kind of fault; a pure function. */
export type Hypothesis<State> = (state: State) => readonly Variant<State>[];

/** Faults that together explain what was seen; two only where none does alone. */
export interface Finding {
  readonly faults: readonly Fault[];
  readonly says: string;
  /**
   * How many of the states that were tried would fit by chance, were each as easy to meet as this one. Above 0.0001 the
   * finding is a hint and no more.
   */
  readonly accidental: number;
}

/**
 * What a diagnosis came to. `fits`: nothing is wrong. `one`: exactly one explanation. `several`: more than one, and
 * nothing tells them apart. `none`: no hypothesis explains it.
 */
export interface Diagnosis {
  readonly outcome: 'fits' | 'one' | 'several' | 'none';
  /** The ones that are least likely to be an accident first. */
  readonly findings: readonly Finding[];
  /** How many states were tried, the given one among them. */
  readonly trials: number;
}

/** Most states that one diagnosis tries. */
export const MOST_TRIALS = 4096;

/** What is to be explained. */
export interface Question<State> {
  readonly state: State;
  readonly fits: (state: State) => boolean;
  readonly hypotheses: readonly Hypothesis<State>[];
  /** Hypotheses that are tried on top of every variant, where no variant alone fits. */
  readonly companions?: readonly Hypothesis<State>[];
  /** Probability that a state fits although it is wrong. */
  readonly chance: (state: State) => number;
}

/** Tries a state and its variants, at most {@link MOST_TRIALS}. */
export function diagnose<State>(question: Question<State>): Diagnosis {
  const { state, fits, hypotheses, companions = [], chance } = question;
  let trials = 0;
  const tried = (candidate: State): boolean => trials < MOST_TRIALS && ++trials > 0 && fits(candidate);
  const concluded = (found: readonly Explained<State>[]): Diagnosis => {
    const findings = found
      .map(({ faults, says, state: explained }) => ({ faults, says, accidental: trials * chance(explained) }))
      .sort((a, b) => a.accidental - b.accidental);
    return { outcome: findings.length === 0 ? 'none' : findings.length === 1 ? 'one' : 'several', findings, trials };
  };

  if (tried(state)) return { outcome: 'fits', findings: [], trials };
  const variants = hypotheses.flatMap((hypothesis) => hypothesis(state));
  const alone = variants.filter((variant) => tried(variant.state));
  if (alone.length > 0) return concluded(alone.map(({ fault, ...rest }) => ({ faults: [fault], ...rest })));
  const pairs: Explained<State>[] = [];
  for (const first of variants) {
    for (const second of companions.flatMap((companion) => companion(first.state))) {
      if (second.fault === first.fault || !tried(second.state)) continue;
      const faults = [first.fault, second.fault];
      pairs.push({ faults, says: `${first.says} ${second.says}`, state: second.state });
    }
  }
  return concluded(pairs);
}

interface Explained<State> {
  readonly faults: readonly Fault[];
  readonly says: string;
  readonly state: State;
}
