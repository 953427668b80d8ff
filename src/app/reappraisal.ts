import type { Logger } from 'pino';
import { createReappraisalWorker, type ReappraisalPorts, type ReappraisalWorker } from '../jobs/reappraisal/worker.ts';
import { systemTimer } from '../jobs/timer.ts';
import type { OpenCalls } from '../sessions/presence.ts';
import type { Config } from './config.ts';
import { systemClock, systemRandom } from './system.ts';

/** What the worker of this replica is made of. */
export interface ReappraisalParts extends Pick<ReappraisalPorts, 'store' | 'judgeOf' | 'policyVersion'> {
  readonly presence: Pick<OpenCalls, 'end'>;
  readonly pace: Config['reappraisal'];
  readonly logger: Logger;
}

/** The worker that appraises enrolled phones again; it has not started. */
export function openReappraisals(parts: ReappraisalParts): ReappraisalWorker {
  const { store, judgeOf, policyVersion, presence, pace, logger } = parts;
  return createReappraisalWorker({
    store,
    judgeOf,
    policyVersion,
    pace,
    clock: systemClock,
    random: systemRandom,
    timer: systemTimer,
    onEnded: (device, reasons) => {
      logger.warn({ device, reasons }, 'session ended by re-appraisal');
      presence.end(device, 'SESSION_ENDED', reasons);
    },
    onFinished: (run) => {
      store.reappraisal(run).then(
        (finished) => logger.warn({ reappraisal: finished }, 're-appraisal of all devices finished'),
        (error: unknown) => logger.error({ err: error }, 're-appraisal finished, its result was not read'),
      );
    },
    onFailure: (error) => logger.error({ err: error }, 're-appraisal interrupted'),
  });
}
