import { fastest, sampleOf, welchT } from './welch.ts';

/** A function whose time must not depend on which class its input is of. */
export interface Subject {
  readonly name: string;
  /** Inputs of both classes, as many of each and as long as each other. */
  readonly inputs: readonly [readonly Uint8Array[], readonly Uint8Array[]];
  /** Runs once over an input, always the same buffer. What it returns is kept, so that nothing is optimised away. */
  readonly run: (input: Uint8Array) => boolean;
  /** Runs in one measurement: what is short is repeated, so that the clock can tell it. */
  readonly repeats: number;
  readonly measurements: number;
}

/** Part of the measurements that is kept: what runs undisturbed is fast, and varies least. */
const KEPT = 0.5;
const WARM_UP = 3000;
/** Highest |t| that is told: two classes that never overlap have an infinite one. */
const MOST = 1e6;

/** Bits of a generator that nobody relies on: which class is measured next (xorshift, 32 bits). */
function coin(seed: number): () => 0 | 1 {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 9) & 1) as 0 | 1;
  };
}

let kept = 0;

/**
 * |t| of Welch's test between the times of the two classes, in the manner of dudect: classes drawn at random one
 * measurement after the other, inputs copied to one place before the clock starts, the slower half of each left out.
 */
export function timingDifference(
  { inputs, run, repeats, measurements }: Subject,
  nanoseconds: () => bigint = process.hrtime.bigint,
): number {
  const [example] = inputs[0];
  if (example === undefined) throw new RangeError('no inputs');
  const input = new Uint8Array(new ArrayBuffer(example.length));
  const next = coin(0x2545_f491);
  const times: [number[], number[]] = [[], []];
  for (let turn = 0; turn < WARM_UP + measurements; turn++) {
    const which = next();
    const pool = inputs[which];
    input.set(pool[turn % pool.length] ?? example);
    const start = nanoseconds();
    for (let again = 0; again < repeats; again++) kept += run(input) ? 1 : 0;
    const time = Number(nanoseconds() - start);
    if (turn >= WARM_UP) times[which].push(time);
  }
  const [first, second] = [sampleOf(fastest(times[0], KEPT)), sampleOf(fastest(times[1], KEPT))];
  return kept < 0 ? Number.NaN : Math.min(Math.abs(welchT(first, second)), MOST);
}
