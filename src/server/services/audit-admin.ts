import { checkpointHash } from '../../audit/checkpoint.ts';
import { readLog } from '../../audit/reading.ts';
import type { AuditStanding } from '../../audit/standing.ts';
import type { AuditLog, AuditReader, KeyHistory } from '../../audit/store.ts';
import { AuditAdminServiceService, type ExportLogResponse } from '../../gen/tapgate/v1/audit_admin_service.ts';
import { headToWire, keyToWire, partToWire } from '../../wire/audit.ts';
import { requireRole } from '../transport/peer.ts';
import { type Answers, serverStream, service, unary } from '../transport/service.ts';
import { backtestPolicy, type DecisionAuditParts, replayDecision, showDecision } from './decision-audit.ts';

/** Whoever may look at the service may look at its log; nobody changes it. */
const READERS = ['security', 'operator', 'auditor'];
const SHOWN_HEADS = 100;

/** A log of years takes a while to read. */
const EXPORT_LIMITS = { maximumLifetimeMilliseconds: 86_400_000, sendWithinMilliseconds: 60_000 };

/** What the audit service is made of. */
export interface AuditAdminServiceParts extends DecisionAuditParts {
  readonly log: Pick<AuditLog, 'lastCheckpoint' | 'oldestUnchained'>;
  readonly reader: AuditReader;
  readonly keyHistory: KeyHistory;
  readonly standing: AuditStanding;
}

/** AuditAdminService. */
export function auditAdminService(parts: AuditAdminServiceParts) {
  const { log, reader, keyHistory, standing } = parts;
  return service(AuditAdminServiceService, {
    getAuditStatus: unary(async (_request, context) => {
      requireRole(context.caller, READERS);
      const [size, heads, last, oldest] = await Promise.all([
        reader.size(),
        reader.heads(null, SHOWN_HEADS),
        log.lastCheckpoint(),
        log.oldestUnchained(),
      ]);
      return {
        behind: standing.behind() ?? '',
        oldestUnchained: oldest ?? undefined,
        ...size,
        lastCheckpoint:
          last === null
            ? undefined
            : { payload: Buffer.from(last.payload), signature: Buffer.from(last.signature), keyId: last.keyId },
        lastCheckpointHash: last === null ? Buffer.alloc(0) : checkpointHash(last.payload),
        heads: heads.map(headToWire),
      };
    }),
    exportLog: serverStream(async (_request, answers, context) => {
      const { person } = requireRole(context.caller, READERS);
      context.logger.info({ by: person }, 'audit log read out');
      await exportTo(answers, reader, keyHistory);
    }, EXPORT_LIMITS),
    getDecision: unary(async ({ grantId }, context) => {
      requireRole(context.caller, READERS);
      return showDecision(grantId, parts);
    }),
    replayDecision: unary(async ({ grantId }, context) => {
      requireRole(context.caller, READERS);
      return replayDecision(grantId, parts);
    }),
    backtestPolicy: serverStream(async (request, answers, context) => {
      const { person } = requireRole(context.caller, READERS);
      context.logger.info({ by: person }, 'policy backtest');
      await backtestPolicy(request, answers, parts);
    }, EXPORT_LIMITS),
    listPublishedKeys: unary(async (_request, context) => {
      requireRole(context.caller, READERS);
      return { keys: (await keyHistory.publishedKeys()).map(keyToWire) };
    }),
  });
}

async function exportTo(answers: Answers<ExportLogResponse>, reader: AuditReader, history: KeyHistory): Promise<void> {
  for await (const part of readLog(reader, history)) {
    for (const message of partToWire(part)) {
      if (answers.signal.aborted) throw answers.signal.reason;
      await answers.send(message);
    }
  }
}
