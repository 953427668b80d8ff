import { lackingOf, NEEDS } from '../world/places.ts';
import { type Target, TargetLacks } from '../world/target.ts';
import { ALLOWED, type Attack, type AttackOutcome } from './attack.ts';

/**
 * What came of an attack. `refused`: with the reason that is expected. `allowed`: it succeeded. `unexpected`: refused, for
 * another reason. `not-run`: it could not be carried out, so that nothing is proven. `lacking`: the target does not give
 * what it needs.
 */
export type AttackVerdict = 'refused' | 'allowed' | 'unexpected' | 'not-run' | 'lacking';

/** One attack and what came of it. */
export interface AttackResult {
  readonly attack: Attack;
  readonly verdict: AttackVerdict;
  /** What it ended with, or why it was not run. */
  readonly outcome: string;
  readonly milliseconds: number;
}

/** Longer than any attack may take. */
const ATTACK_WITHIN = 120_000;

/** Whether an outcome is the expected one. Where the server's log is not at hand, what the phone is told has to do. */
export function isExpected(expected: AttackOutcome, outcome: AttackOutcome, tellsOperators: boolean): boolean {
  if (outcome === expected) return true;
  return !tellsOperators && outcome === expected.split(' (')[0] && outcome !== ALLOWED;
}

/** Runs one attack; it never rejects. */
export async function runAttack(attack: Attack, target: Target, within = ATTACK_WITHIN): Promise<AttackResult> {
  const began = performance.now();
  const ended = (verdict: AttackVerdict, outcome: string): AttackResult => ({
    attack,
    verdict,
    outcome,
    milliseconds: Math.round(performance.now() - began),
  });
  const lacking = lackingOf(target.places, attack.needs ?? []);
  if (lacking.length > 0) return ended('lacking', lacking.map((need) => NEEDS[need]).join('; '));
  try {
    const outcome = await inTime(attack.run(target), within);
    if (outcome.startsWith(ALLOWED)) return ended('allowed', outcome);
    return ended(isExpected(attack.expects, outcome, target.tellsOperators) ? 'refused' : 'unexpected', outcome);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return ended(error instanceof TargetLacks ? 'lacking' : 'not-run', why);
  }
}

async function inTime<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not over after ${milliseconds} ms`)), milliseconds);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs attacks one after the other, those that mostly wait beside the rest; tells each result in the attacks' order. */
export async function runAttacks(
  attacks: readonly Attack[],
  target: Target,
  tell: (result: AttackResult) => void,
): Promise<readonly AttackResult[]> {
  const waiting = attacks
    .filter((attack) => attack.lasting)
    .map((attack) => [attack, runAttack(attack, target)] as const);
  const begun = new Map(waiting);
  const results: AttackResult[] = [];
  for (const attack of attacks) {
    const result = await (begun.get(attack) ?? runAttack(attack, target));
    tell(result);
    results.push(result);
  }
  return results;
}

/** What a whole run says: `failed` where any attack succeeded, was refused for another reason or could not be run. */
export function verdictOfRun(results: readonly AttackResult[]): 'held' | 'failed' | 'incomplete' {
  const verdicts = new Set(results.map(({ verdict }) => verdict));
  if (verdicts.has('allowed') || verdicts.has('unexpected') || verdicts.has('not-run')) return 'failed';
  return verdicts.has('lacking') || results.length === 0 ? 'incomplete' : 'held';
}
