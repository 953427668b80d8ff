/** Whether something that the service depends on answers; a rejection counts as no. */
export type ReadinessCheck = () => Promise<boolean>;

/** How a check ended; `late` where it did not answer in time. */
export type CheckOutcome = 'ok' | 'failed' | 'late';

/** All checks and whether every one is `ok`. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, CheckOutcome>>;
}

async function outcomeOf(check: ReadinessCheck, milliseconds: number): Promise<CheckOutcome> {
  const late = Promise.withResolvers<CheckOutcome>();
  const timer = setTimeout(() => late.resolve('late'), milliseconds);
  timer.unref();
  const asked = (async (): Promise<CheckOutcome> => ((await check()) ? 'ok' : 'failed'))().catch(
    (): CheckOutcome => 'failed',
  );
  try {
    return await Promise.race([asked, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A function that runs all checks at once, each for at most `milliseconds`. Callers that ask while a round runs share
 * its answer, so that many probes are one load on what is probed.
 */
export function readinessOf(
  checks: Readonly<Record<string, ReadinessCheck>>,
  milliseconds: number,
): () => Promise<Readiness> {
  let round: Promise<Readiness> | null = null;
  const run = async (): Promise<Readiness> => {
    const entries = Object.entries(checks).map(async ([name, check]) => [name, await outcomeOf(check, milliseconds)]);
    const outcomes: Record<string, CheckOutcome> = Object.fromEntries(await Promise.all(entries));
    return { ready: Object.values(outcomes).every((outcome) => outcome === 'ok'), checks: outcomes };
  };
  return () => {
    round ??= run().finally(() => {
      round = null;
    });
    return round;
  };
}
