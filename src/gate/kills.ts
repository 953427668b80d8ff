import type { KillGuard, KillReason } from '../devices/kill-guard.ts';
import type { KillSubject } from '../devices/kill-switch.ts';
import type { TransactionGrant } from '../sessions/transaction.ts';

/** The kill switches as the gate asks them. */
export interface GateKills {
  readonly guard: KillGuard;
  /** The phone of a session with what it attested; null where there is none. */
  readonly subjectOf: (thumbprint: string) => Promise<KillSubject | null>;
  /** The latest generation of the record; rejects where it cannot be read. */
  readonly generation: () => Promise<bigint>;
  /** Enforces here what the record says, as far as it can be read. */
  readonly refresh: () => Promise<void>;
}

/** What the switches say of a payment, and the generation that says so: a commit holds only while it is the latest. */
export interface KillVerdict {
  readonly reason: KillReason | null;
  readonly generation: bigint;
}

/** Asks the switches about a payment. What was attested is read only where a switch selects by it. */
export async function appraiseKills(
  { deviceId, thumbprint, acquirer, terms: { merchant } }: TransactionGrant,
  withPin: boolean,
  { guard, subjectOf }: GateKills,
): Promise<KillVerdict> {
  const granted = { deviceId, acquirer, merchant, application: null, osPatchLevel: null, attestationKeys: [] };
  const subject = guard.asksForAttested ? await subjectOf(thumbprint) : granted;
  // Of one turn: no switch comes between the two.
  const { generation } = guard;
  const reason = subject === null ? 'SERVICE_UNAVAILABLE' : guard.reasonAgainst(subject, withPin ? 'pin' : 'any');
  return { reason, generation };
}

/**
 * Whether switches were set or lifted since, so that the payment has to be asked about again.
 *
 * @throws Error where that cannot be known, or what was set is not enforced here yet: nothing is decided
 */
export async function haveKillsMoved(since: bigint, { guard, generation, refresh }: GateKills): Promise<boolean> {
  if ((await generation()) === since) return false;
  await refresh();
  if (guard.generation === since) throw new Error('the kill switches have moved, and cannot be read');
  return true;
}
