import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { verifyEs256 } from '../encoding/jws.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { DEVICE_TOKEN_PROFILE, DEVICE_TOKEN_TYPE, type DeviceTokenClaims, MAXIMUM_TOKEN_SECONDS } from './claims.ts';
import { ISSUED_TIERS, TRUST_CLAIMS } from './trust-claims.ts';

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
  'ear.verifier-id': z.object({ build: name, developer: name }),
  merchant: name,
  submods: z.object({
    phone: z.object({
      'ear.status': z.enum(ISSUED_TIERS),
      'ear.trustworthiness-vector': z.object(TRUST_CLAIMS),
      'ear.appraisal-policy-id': name,
    }),
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
 * Verifies a device token offline: signature, type, issuer, audience, times. It is valid until the second of its expiry,
 * and from `aheadSeconds` before its issue (1 where it is not stated: one service, one clock).
 *
 * A valid token proves nothing alone; the caller also verifies a signature of the session key that `cnf.jkt` names.
 */
export function verifyDeviceToken(
  compact: string,
  expected: TokenExpectation & { readonly now: Date; readonly aheadSeconds?: number },
): Result<DeviceTokenClaims, TokenRefusal> {
  const claims = verifyTokenOfAnyAge(compact, expected);
  if (!claims.ok) return claims;
  const now = expected.now.getTime() / 1000;
  if (claims.value.exp <= now) return refuse('TOKEN_INVALID', 'expired');
  return claims.value.iat > now + (expected.aheadSeconds ?? 1)
    ? refuse('TOKEN_INVALID', 'issued in the future')
    : claims;
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
  if (claims.exp - claims.iat > MAXIMUM_TOKEN_SECONDS) return refuse('TOKEN_INVALID', 'longer-lived than any token');
  if (claims.iss !== expected.issuer) return refuse('TOKEN_INVALID', 'issuer');
  if (expected.audience !== null && claims.aud !== expected.audience) return refuse('TOKEN_AUDIENCE_MISMATCH');
  return ok(claims);
}
