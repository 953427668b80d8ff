import { secondsAfter } from '../ports/clock.ts';
import { type Random, randomFraction, randomUuid } from '../ports/random.ts';
import type { Result } from '../reasons/result.ts';
import type { TokenLife } from './policy.ts';
import { type TrustTier, type TrustVector, worstTierOf } from './trust-vector.ts';

/** `typ` of a device token, so that no other JWS of this service passes as one. */
export const DEVICE_TOKEN_TYPE = 'tapgate-device+jwt';

/** EAT profile of a device token: the attestation result of RFC 9334 §8.4 in the form of the RATS EAR draft. */
export const DEVICE_TOKEN_PROFILE = 'tag:tapgate.dev,2026:device-token';

/** Who made the software that appraises (draft-ietf-rats-ar4si 2.2.3). */
export const VERIFIER_DEVELOPER = 'https://tapgate.dev';

/**
 * Longest life of a device token, in seconds, whatever policy says: the vault signs no longer one, a verifier takes none,
 * and a revocation older than this is moot.
 */
export const MAXIMUM_TOKEN_SECONDS = 3600;

/**
 * Claims of a device token (RFC 7519, RFC 7800 §3.1, RFC 9711, draft-ietf-rats-ear-03). Times in seconds since the epoch.
 */
export interface DeviceTokenClaims {
  readonly iss: string;
  /** Device id. */
  readonly sub: string;
  /** Acquirer. */
  readonly aud: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
  /** RFC 7638 thumbprint of the session key. */
  readonly cnf: { readonly jkt: string };
  readonly eat_profile: string;
  readonly 'ear.verifier-id': { readonly build: string; readonly developer: string };
  readonly merchant: string;
  readonly submods: {
    readonly phone: {
      /** Tier of the worst claim of the vector. Only `affirming` and `warning` are ever signed. */
      readonly 'ear.status': TrustTier;
      readonly 'ear.trustworthiness-vector': TrustVector;
      readonly 'ear.appraisal-policy-id': string;
    };
  };
}

/** What a token is issued for. */
export interface TokenSubject {
  readonly issuer: string;
  /** Software and version that appraised, for example `tapgate 0.1.0`. */
  readonly build: string;
  readonly deviceId: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly sessionKeyThumbprint: string;
  readonly policyVersion: string;
  readonly trustVector: TrustVector;
}

/** Signs claims with the vault's device token key: a compact JWS, ES256. */
export interface TokenSigner {
  signDeviceToken(claims: DeviceTokenClaims): Promise<Result<string>>;
}

/** A token's claims and the instant, spread by jitter, after which its phone should attest again. */
export function deviceTokenClaims(
  subject: TokenSubject,
  policy: TokenLife,
  now: Date,
  random: Random,
): { readonly claims: DeviceTokenClaims; readonly refreshAfter: Date } {
  const iat = Math.floor(now.getTime() / 1000);
  const jitter = randomFraction(random) * policy.refreshJitterFraction * policy.lifetimeSeconds;
  return {
    claims: {
      iss: subject.issuer,
      sub: subject.deviceId,
      aud: subject.acquirer,
      iat,
      exp: iat + policy.lifetimeSeconds,
      jti: randomUuid(random),
      cnf: { jkt: subject.sessionKeyThumbprint },
      eat_profile: DEVICE_TOKEN_PROFILE,
      'ear.verifier-id': { build: subject.build, developer: VERIFIER_DEVELOPER },
      merchant: subject.merchant,
      submods: {
        phone: {
          'ear.status': worstTierOf(subject.trustVector),
          'ear.trustworthiness-vector': subject.trustVector,
          'ear.appraisal-policy-id': subject.policyVersion,
        },
      },
    },
    refreshAfter: secondsAfter(now, policy.lifetimeSeconds * policy.refreshFraction + jitter),
  };
}
