import type { Logger } from 'pino';
import { ShadowRecorder } from '../jobs/policy/shadow-recorder.ts';
import { systemTimer } from '../jobs/timer.ts';
import { Shadow, type ShadowStore } from '../policy/shadow.ts';
import type { PolicySource } from '../policy/source.ts';
import type { ServiceMetrics } from '../server/ops/service-metrics.ts';
import type { Policy } from './policy.ts';
import { startPruning } from './pruning.ts';
import { systemClock } from './system.ts';

const KEPT_DAYS = 30;
const DAY = 86_400_000;
const RECORD_EVERY = 5_000;

/** Watches candidates of policy, and keeps what they would have decided otherwise for thirty days. */
export function openShadow(
  policies: PolicySource<Policy>,
  store: ShadowStore,
  metrics: Pick<ServiceMetrics, 'shadowDifferences'>,
  logger: Logger,
): { readonly shadow: Shadow<Policy>; readonly stop: () => Promise<void> } {
  const shadow = new Shadow(policies, (point, outcome) => metrics.shadowDifferences.inc({ point, outcome }));
  const recorder = new ShadowRecorder({
    shadow,
    store,
    clock: systemClock,
    timer: systemTimer,
    everyMilliseconds: RECORD_EVERY,
    onFailure: (error) => logger.warn({ err: error }, 'differences of a policy candidate were not kept'),
  });
  recorder.start();
  const before = (now: Date): Date => new Date(now.getTime() - KEPT_DAYS * DAY);
  const pruning = startPruning('differences of policy candidates', (now) => store.prune(before(now)), logger);
  return {
    shadow,
    stop: async () => {
      await pruning.stop();
      await recorder.stop();
    },
  };
}
