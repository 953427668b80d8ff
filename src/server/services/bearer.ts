import type { KeyObject } from 'node:crypto';
import { standingRefusal } from '../../devices/device.ts';
import type { KillGuard } from '../../devices/kill-guard.ts';
import type { AttestedSession, DeviceStore } from '../../devices/store.ts';
import { p256PublicKey } from '../../encoding/p256.ts';
import type { Clock } from '../../ports/clock.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type PresenceSubject, subjectOf } from '../../sessions/subject.ts';
import { verifyDeviceToken } from '../../tokens/verify.ts';

/** A phone whose token holds; what it says next still has to be signed by the session key. */
export interface Bearer {
  readonly session: AttestedSession;
  /** The phone as directives, scopes of policy and kill switches know it. */
  readonly subject: PresenceSubject;
  readonly key: KeyObject;
  readonly issuedAt: Date;
  /** Expiry of the token. */
  readonly validUntil: Date;
}

/** What tokens are verified with. */
export interface BearerPorts {
  readonly issuer: string;
  readonly clock: Clock;
  readonly devices: Pick<DeviceStore, 'session'>;
  /** Keys of purpose device-token by key id. */
  readonly tokenKeys: () => ReadonlyMap<string, KeyObject>;
  readonly kills: KillGuard;
}

/**
 * Finds the session of a device token: token valid, device active, session the latest one of the phone, no kill switch. `audience` is the
 * acquirer that the token has to be for; null at the device listener, where it only says who the phone is.
 */
export async function bearerOf(
  token: string,
  ports: BearerPorts,
  audience: string | null = null,
): Promise<Result<Bearer>> {
  const now = ports.clock.now();
  const claims = verifyDeviceToken(token, { issuer: ports.issuer, keys: ports.tokenKeys(), audience, now });
  if (!claims.ok) return claims;
  const standing = await standingSession({ thumbprint: claims.value.cnf.jkt, deviceId: claims.value.sub }, ports);
  if (!standing.ok) return standing;
  const session = standing.value;
  const key = p256PublicKey(session.publicKey);
  if (key === null) return refuse('TOKEN_INVALID', 'session key');
  const { iat, exp } = claims.value;
  return ok({
    session,
    subject: subjectOf(session),
    key,
    issuedAt: new Date(iat * 1000),
    validUntil: new Date(exp * 1000),
  });
}

/** The session as it stands now: of an active device, active, the latest one of the phone, and hit by no kill switch. */
export async function standingSession(
  { thumbprint, deviceId }: Pick<AttestedSession, 'thumbprint' | 'deviceId'>,
  { devices, kills }: Pick<BearerPorts, 'devices' | 'kills'>,
): Promise<Result<AttestedSession>> {
  const session = await devices.session(thumbprint);
  if (session === null || session.deviceId !== deviceId) return refuse('TOKEN_INVALID', 'no such session');
  const standing = standingRefusal(session.deviceStatus);
  if (standing !== null) return refuse(standing);
  if (session.status !== 'active' || !session.current)
    return refuse('SESSION_UNKNOWN', 'replaced by a newer attestation');
  const killed = kills.reasonAgainst(subjectOf(session), 'any');
  return killed === null ? ok(session) : refuse(killed);
}
