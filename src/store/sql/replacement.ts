import { type StandingMove, standingAfter } from '../../devices/standing.ts';
import { ok } from '../../reasons/result.ts';
import { moveStanding } from './device-standing.ts';
import { prepared, type SqlSession } from './engine/statement.ts';

const REPLACED_BY = prepared('device-replaced-by', 'SELECT replaced_by FROM device WHERE id = $1');

const NOTE_REPLACEMENT = prepared('note-replacement', 'UPDATE device SET replaced_by = $2 WHERE id = $1');

/** A device and the one that takes its place, by whose invite and when. */
export interface Replacement {
  readonly deviceId: string;
  readonly by: string;
  readonly invitedBy: string;
  readonly at: Date;
}

/** Whether a device was replaced: of two invites to replace it the second one enrols nobody. */
export async function isReplaced(sql: SqlSession, deviceId: string): Promise<boolean> {
  const { rows } = await sql.query<{ replaced_by: string | null }>(REPLACED_BY, [deviceId]);
  return rows[0]?.replaced_by != null;
}

/**
 * Revokes a replaced device as the security team does, within the transaction that enrols the other one. False where it
 * was revoked before: there is nothing left to take away.
 */
export async function revokeReplaced(sql: SqlSession, { deviceId, by, invitedBy, at }: Replacement): Promise<boolean> {
  const cause = `replaced by device ${by}`;
  const move: StandingMove = { to: 'revoked', by: invitedBy, cause, at, revocation: 'DEVICE_REVOKED' };
  const moved = await moveStanding(sql, deviceId, (standing) => {
    const after = standingAfter(standing, 'revoke');
    return after.ok ? ok(after.value === standing ? null : move) : after;
  });
  await sql.query(NOTE_REPLACEMENT, [deviceId, by]);
  return moved?.ok === true && moved.changed;
}
