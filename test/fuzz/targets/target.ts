/** One parser under test. */
export interface Reader {
  readonly name: string;
  /** Share of the runs, against the other readers of the target. */
  readonly weight: number;
  readonly maximumBytes: number;
  /** Honest inputs: at least one of them is accepted. */
  readonly seeds: readonly Uint8Array[];
  /** Bytes that the format is made of. */
  readonly tokens?: readonly Uint8Array[];
  /** Inputs are elements of tag, length and value (DER, BER-TLV). */
  readonly elements?: boolean;
  /** Reads an input; true where it is accepted. Whatever it throws is a finding. The input does not outlast the call. */
  read(input: Uint8Array): boolean;
  /** Further invariants of an accepted input, too slow for every one: checked where it is new, and now and then. */
  examine?(input: Uint8Array): void;
}

/** Parsers of one kind of hostile input. */
export interface Target {
  /**
   * What the readers need and cannot be had twice, such as keys made for the run, as JSON: it is kept with a finding, which
   * can be replayed with it.
   */
  prepare(): Promise<string>;
  open(prepared: string): readonly Reader[];
}

/** A reader gave an answer that it must never give. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
}

/** Throws BrokenInvariant where the condition does not hold. The message says what does not hold, up to a colon in general. */
export function invariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new BrokenInvariant(message);
}

/** As `invariant`, for two byte strings that must be the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array, message: string): void {
  if (Buffer.compare(a, b) !== 0) {
    throw new BrokenInvariant(`${message}: ${Buffer.from(a).toString('hex')} is not ${Buffer.from(b).toString('hex')}`);
  }
}
