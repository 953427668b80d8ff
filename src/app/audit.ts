import { appendFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { CheckpointSigner } from '../audit/checkpoint.ts';
import { witnessLine } from '../audit/lines.ts';
import { type AuditStanding, SeenStanding } from '../audit/standing.ts';
import type { AuditLog, KeyHistory } from '../audit/store.ts';
import type { GateVault } from '../gate/vault.ts';
import { KeyWatch } from '../jobs/audit/key-watch.ts';
import { AuditSequencer } from '../jobs/audit/sequencer.ts';
import { systemTimer } from '../jobs/timer.ts';
import type { KeyCustody } from '../keys/custody.ts';
import { refuse } from '../reasons/result.ts';
import type { VaultDescription } from '../vault/client/description.ts';
import type { AuditConfig } from './audit-config.ts';
import { systemClock, systemRandom } from './system.ts';

const POLL_MILLISECONDS = 200;
const DUTY_SECONDS = 10;

/** What the log of this replica is made of. */
export interface AuditParts {
  readonly log: AuditLog;
  readonly keyHistory: KeyHistory;
  readonly vault: CheckpointSigner & KeyCustody;
  readonly described: () => VaultDescription;
  readonly config: AuditConfig;
  readonly logger: Logger;
}

/** The log as this replica keeps it. */
export interface OpenAudit {
  readonly standing: AuditStanding;
  stop(): Promise<void>;
}

/** Chains and signs from now on; notes the vault's keys first, so that the first checkpoint signs them. */
export async function openAudit({ log, keyHistory, vault, described, config, logger }: AuditParts): Promise<OpenAudit> {
  const { checkpointSeconds, behindSeconds, witness } = config;
  const standing = new SeenStanding(systemClock, () => performance.now(), {
    forEntry: behindSeconds,
    forCheckpoint: checkpointSeconds + behindSeconds,
  });
  const keys = new KeyWatch({
    generation: () => described().generation,
    publicKeys: () => described().signingKeys,
    custody: vault,
    history: keyHistory,
    clock: systemClock,
    timer: systemTimer,
    onFailure: (error) => logger.warn({ err: error }, "the vault's keys could not be noted in the audit log"),
  });
  const sequencer = new AuditSequencer({
    log,
    signer: vault,
    standing,
    clock: systemClock,
    timer: systemTimer,
    random: systemRandom,
    pace: {
      pollMilliseconds: POLL_MILLISECONDS,
      checkpointSeconds,
      dutySeconds: DUTY_SECONDS,
      helpAfterSeconds: behindSeconds / 2,
    },
    onCheckpoint: (signed) => {
      if (witness === undefined) return;
      appendFile(witness, `${witnessLine(signed)}\n`, { mode: 0o644 }).catch((error: unknown) =>
        logger.error({ err: error }, 'a checkpoint was not given to the witness'),
      );
    },
    onFailure: (error) => logger.error({ err: error }, 'the audit log could not be carried on'),
    onUnsigned: (reason) => logger.error({ reason }, 'no checkpoint of the audit log was signed'),
  });
  await keys.start();
  await sequencer.start();
  logger.info({ writer: sequencer.writer }, 'audit log');
  return {
    standing,
    stop: async () => {
      await keys.stop();
      await sequencer.stop();
    },
  };
}

/** The gate's vault while the log keeps up: what is new is not decided else, what was decided is answered again. */
export function auditedVault(vault: GateVault, standing: AuditStanding): GateVault {
  return {
    translatePayment: async (translation) => {
      const behind = translation.receipt === null ? null : standing.behind();
      return behind === null ? vault.translatePayment(translation) : refuse(behind);
    },
    signRefusal: async (refusal) => {
      const behind = standing.behind();
      return behind === null ? vault.signRefusal(refusal) : refuse(behind);
    },
  };
}
