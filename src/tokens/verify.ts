import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { verifyEs256 } from '../encoding/jws.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { DEVICE_TOKEN_PROFILE, DEVICE_TOKEN_TYPE, type DeviceTokenClaims } from './claims.ts';

const name = z.string().min(1).max(256);

const claimsSchema = z.object({
  iss: name,
  sub: name,
  aud: name,
  iat: z.int(),
  exp: z.int(),
  jti: name,
  cnf: z.object({ jkt: z.string().length(43) }),
  eat_profile: z.literal(DEVICE_TOKEN_PROFILE),
  merchant: name,
  submods: z.object({
    phone: z.object({ 'ear.status': z.literal('affirming'), 'ear.appraisal-policy-id': name }),
  }),
});

/** What a verifier of device tokens knows. */
export interface TokenExpectation {
  readonly issuer: string;
  /** Keys of purpose device-token by key id. */
  readonly keys: ReadonlyMap<string, KeyObject>;
  /** Acquirer, or null at the device listener, where the token only identifies the phone. */
  readonly audience: string | null;
}

/** Why a device token is refused. */
export type TokenRefusal = 'TOKEN_INVALID' | 'TOKEN_AUDIENCE_MISMATCH';

/**
 * Verifies a device token offline: signature, type, issuer, audience, times (no leeway: one service, one clock).
 *
 * A valid token proves nothing alone; the caller also verifies a signature of the session key that `cnf.jkt` names.
 */
export function verifyDeviceToken(
  compact: string,
  expected: TokenExpectation & { readonly now: Date },
): Result<DeviceTokenClaims, TokenRefusal> {
  const claims = verifyTokenOfAnyAge(compact, expected);
  if (!claims.ok) return claims;
  const now = expected.now.getTime() / 1000;
  if (claims.value.exp <= now) return refuse('TOKEN_INVALID', 'expired');
  return claims.value.iat > now + 1 ? refuse('TOKEN_INVALID', 'issued in the future') : claims;
}

/** As `verifyDeviceToken`, but for the times: for a caller that has to know an expired token's phone. */
export function verifyTokenOfAnyAge(
  compact: string,
  expected: TokenExpectation,
): Result<DeviceTokenClaims, TokenRefusal> {
  const verified = verifyEs256(compact, DEVICE_TOKEN_TYPE, expected.keys);
  if (!verified.ok) return refuse('TOKEN_INVALID', verified.reason);
  const parsed = claimsSchema.safeParse(verified.value);
  if (!parsed.success) return refuse('TOKEN_INVALID', 'claims');
  const claims = parsed.data;
  if (claims.iss !== expected.issuer) return refuse('TOKEN_INVALID', 'issuer');
  if (expected.audience !== null && claims.aud !== expected.audience) return refuse('TOKEN_AUDIENCE_MISMATCH');
  return ok(claims);
}
