import { z } from 'zod';
import type { SignDeviceTokenAnswer, SignDeviceTokenCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import {
  DEVICE_TOKEN_PROFILE,
  DEVICE_TOKEN_TYPE,
  type DeviceTokenClaims,
  MAXIMUM_TOKEN_SECONDS,
} from '../../tokens/claims.ts';
import { ISSUED_TIERS, TRUST_CLAIMS } from '../../tokens/trust-claims.ts';
import type { VaultKeys } from '../keys.ts';
import { signCompact } from '../signing.ts';
import { claimedName, claimedThumbprint, readClaims } from './claims.ts';
import { isNow, type Timed } from './clock.ts';

const claimsSchema: z.ZodType<DeviceTokenClaims> = z
  .strictObject({
    iss: claimedName,
    sub: claimedName,
    aud: claimedName,
    iat: z.int().min(0),
    exp: z.int().min(0),
    jti: claimedName,
    cnf: z.strictObject({ jkt: claimedThumbprint }),
    eat_profile: z.literal(DEVICE_TOKEN_PROFILE),
    'ear.verifier-id': z.strictObject({ build: claimedName, developer: claimedName }),
    merchant: claimedName,
    submods: z.strictObject({
      phone: z.strictObject({
        'ear.status': z.enum(ISSUED_TIERS),
        'ear.trustworthiness-vector': z.strictObject(TRUST_CLAIMS),
        'ear.appraisal-policy-id': claimedName,
      }),
    }),
  })
  .refine(({ iat, exp }) => exp > iat && exp - iat <= MAXIMUM_TOKEN_SECONDS);

/**
 * Signs the claims of a device token: compact JWS, ES256. Refuses with MALFORMED_MESSAGE anything but exactly the members
 * of a device token, and a life of more than an hour; with VAULT_CLOCK a token that was issued at another time than now.
 */
export function signDeviceToken(
  call: SignDeviceTokenCall,
  keys: VaultKeys,
  ports: Timed,
): Result<SignDeviceTokenAnswer, 'MALFORMED_MESSAGE' | 'VAULT_CLOCK'> {
  const claims = readClaims(call.claims, claimsSchema);
  if (!claims.ok) return claims;
  if (!isNow(claims.value.iat * 1000, ports)) return refuse('VAULT_CLOCK');
  return ok({ compact: signCompact(DEVICE_TOKEN_TYPE, claims.value, keys.deviceToken) });
}
