import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { ok, type Result } from '../reasons/result.ts';
import { deviceTokenClaims, type TokenSigner, type TokenSubject } from '../tokens/claims.ts';
import type { TokenLife } from '../tokens/policy.ts';

/** What device tokens are issued with. */
export interface TokenPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly issuer: string;
  /** Software and version that appraises, as tokens name it. */
  readonly build: string;
  readonly signer: TokenSigner;
}

/** A device token and its times. */
export interface IssuedToken {
  readonly token: string;
  readonly expiresAt: Date;
  readonly refreshAfter: Date;
}

/** Issues a device token as of `now`, the instant that the store has of the attestation or of the resumption. */
export async function issueToken(
  subject: Omit<TokenSubject, 'issuer' | 'build'>,
  policy: TokenLife,
  now: Date,
  { random, issuer, build, signer }: Omit<TokenPorts, 'clock'>,
): Promise<Result<IssuedToken>> {
  const { claims, refreshAfter } = deviceTokenClaims({ issuer, build, ...subject }, policy, now, random);
  const token = await signer.signDeviceToken(claims);
  return token.ok ? ok({ token: token.value, expiresAt: new Date(claims.exp * 1000), refreshAfter }) : token;
}
