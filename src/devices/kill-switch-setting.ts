import { type Random, randomUuid } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { checkedKill, type KillScope, type KillSelector } from './kill-switch.ts';
import type { AwaitedReplica, KillSwitchStore, RecordedKill } from './kill-switch-store.ts';

/** Who stops which phones, and why. */
export interface KillRequest {
  readonly selector: KillSelector;
  readonly scope: KillScope;
  readonly cause: string;
  readonly by: string;
}

/** How far a switch is enforced. `awaited` is empty once it is in force. */
export interface KillProgress {
  readonly kill: RecordedKill;
  readonly awaited: readonly AwaitedReplica[];
}

const MAXIMUM_CAUSE = 500;

/** Sets a switch. It stands once this resolves, and is in force once `killProgress` says so. Refuses MALFORMED_MESSAGE. */
export async function setKill(
  { selector, scope, cause, by }: KillRequest,
  { kills, random }: { readonly kills: Pick<KillSwitchStore, 'set'>; readonly random: Random },
): Promise<Result<RecordedKill>> {
  const checked = checkedKill(selector, scope);
  if (!checked.ok) return checked;
  const wrong = wrongCause(cause);
  if (wrong !== null) return refuse('MALFORMED_MESSAGE', wrong);
  return ok(await kills.set({ id: randomUuid(random), scope, selector: checked.value, cause, by }));
}

/** How far a switch is enforced now; notes it where it is in force. A lifted one is waited for no more. */
export async function killProgress(
  kill: RecordedKill,
  kills: Pick<KillSwitchStore, 'awaited' | 'inForce' | 'kill'>,
): Promise<KillProgress> {
  if (kill.inForceAt !== null || kill.lifted !== null) return { kill, awaited: [] };
  const awaited = await kills.awaited(kill.generation);
  if (awaited.length > 0) return { kill, awaited };
  const inForceAt = await kills.inForce(kill.id);
  // What it met is complete only now.
  const complete = (await kills.kill(kill.id)) ?? kill;
  return { kill: { ...complete, inForceAt }, awaited };
}

/** Lifts a switch. Refusals: MALFORMED_MESSAGE, NOT_FOUND */
export async function liftKill(
  { id, cause, by }: { readonly id: string; readonly cause: string; readonly by: string },
  kills: Pick<KillSwitchStore, 'lift'>,
): Promise<Result<RecordedKill>> {
  const wrong = wrongCause(cause);
  if (wrong !== null) return refuse('MALFORMED_MESSAGE', wrong);
  const lifted = await kills.lift(id, by, cause);
  return lifted === null ? refuse('NOT_FOUND', 'kill switch') : ok(lifted);
}

function wrongCause(cause: string): string | null {
  if (cause.trim() === '') return 'cause: say why';
  if (cause.length > MAXIMUM_CAUSE) return `cause: over ${MAXIMUM_CAUSE} characters`;
  // PostgreSQL keeps no NUL in text.
  return cause.includes('\0') || !cause.isWellFormed() ? 'cause: no text' : null;
}
