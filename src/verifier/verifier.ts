import { ok, type Result, refuse } from '../reasons/result.ts';
import type { DeviceTokenClaims } from '../tokens/claims.ts';
import { type TokenRefusal, verifyDeviceToken } from '../tokens/verify.ts';
import type { JwksSource } from './jwks.ts';
import { KeyKeeper } from './key-keeper.ts';
import { systemPorts, type VerifierPorts } from './ports.ts';
import { RevocationKeeper, type RevocationSource, type WatchEnd } from './revocation-keeper.ts';

/**
 * Why a token is refused. `TOKEN_INVALID`: malformed, expired, or not of this issuer. `TOKEN_AUDIENCE_MISMATCH`: another
 * acquirer's. `TOKEN_REVOKED`: device or session were revoked after it was issued. `VERIFIER_STALE`: this verifier has no
 * current keys or revocations and says nothing about the token; ask again later.
 */
export type VerifierRefusal = TokenRefusal | 'TOKEN_REVOKED' | 'VERIFIER_STALE';

/** What happens inside a verifier, for logs. Errors hold no token. */
export type VerifierEvent =
  | { readonly kind: 'keys-fetched' }
  | { readonly kind: 'keys-not-fetched'; readonly error: unknown }
  | {
      readonly kind: 'revocations-cut';
      readonly cause: WatchEnd['kind'] | 'silent' | 'overfull';
      readonly error?: unknown;
    };

/** What a verifier is made of. */
export interface VerifierOptions {
  /** `iss` of tokens: the `issuer` of the Tapgate installation. */
  readonly issuer: string;
  /** `aud` of tokens: the acquirer that this processing is. */
  readonly acquirer: string;
  readonly jwks: JwksSource;
  readonly revocations: RevocationSource;
  /**
   * Seconds, by the monotonic clock, after which a verifier that has heard nothing refuses every token. The service states
   * a bound of its own; the smaller one counts. 30 where it is not stated.
   */
  readonly maximumStalenessSeconds?: number;
  /** How far the service's clock may be ahead of this one, in seconds. 5 where it is not stated. */
  readonly aheadSeconds?: number;
  /** Most devices with a revocation of the last hour; more, and every token is refused. 500 000 where it is not stated. */
  readonly maximumRevocations?: number;
  readonly onEvent?: (event: VerifierEvent) => void;
  readonly ports?: Partial<VerifierPorts>;
}

/** Verifies device tokens offline, against keys and revocations that it keeps current by itself. */
export interface Verifier {
  /** Verifies a compact device token. Fetches keys where the token names one that is not known; never rejects. */
  verify(token: string): Promise<Result<DeviceTokenClaims, VerifierRefusal>>;
  /** Resolves with true once keys and revocations are current, with false where they are not in time. */
  ready(withinMilliseconds: number): Promise<boolean>;
  /** For readiness and metrics. `revocationAgeMilliseconds` is Infinity before the first message. */
  status(): { readonly current: boolean; readonly revocationAgeMilliseconds: number; readonly revocations: number };
  /** Ends the watch and the fetches; every token is refused from then on. */
  close(): void;
}

const DEFAULT_STALENESS_SECONDS = 30;
const DEFAULT_AHEAD_SECONDS = 5;
const DEFAULT_MAXIMUM_REVOCATIONS = 500_000;

/** Makes a verifier and starts it; `ready` tells when it can say something. */
export function createVerifier(options: VerifierOptions): Verifier {
  return new KeepingVerifier(options);
}

class KeepingVerifier implements Verifier {
  readonly #options: VerifierOptions;
  readonly #ports: VerifierPorts;
  readonly #keys: KeyKeeper;
  readonly #revocations: RevocationKeeper;
  #closed = false;

  constructor(options: VerifierOptions) {
    const tell = options.onEvent ?? (() => {});
    this.#options = options;
    this.#ports = { ...systemPorts, ...options.ports };
    this.#keys = new KeyKeeper(options.jwks, this.#ports, (error) =>
      tell(error === null ? { kind: 'keys-fetched' } : { kind: 'keys-not-fetched', error }),
    );
    const limits = {
      maximumStalenessSeconds: options.maximumStalenessSeconds ?? DEFAULT_STALENESS_SECONDS,
      maximumEntries: options.maximumRevocations ?? DEFAULT_MAXIMUM_REVOCATIONS,
    };
    this.#revocations = new RevocationKeeper(options.revocations, limits, this.#ports, (end) =>
      tell({ kind: 'revocations-cut', cause: end.kind, ...('error' in end && { error: end.error }) }),
    );
    void this.#keys.fetch();
    this.#revocations.start();
  }

  async verify(token: string): Promise<Result<DeviceTokenClaims, VerifierRefusal>> {
    const first = this.#judge(token);
    if (first.ok || first.detail !== 'JWS_KEY_UNKNOWN') return first;
    const complete = await this.#keys.fetchForUnknown();
    const second = this.#judge(token);
    // Without the newest keys nobody knows whether the token is wrong or this verifier is behind.
    const unknown = !second.ok && second.detail === 'JWS_KEY_UNKNOWN';
    return unknown && !complete ? refuse('VERIFIER_STALE', 'keys') : second;
  }

  async ready(withinMilliseconds: number): Promise<boolean> {
    const { promise: late, resolve: tooLate } = Promise.withResolvers<void>();
    const { promise: fresh, resolve: isFresh } = Promise.withResolvers<void>();
    const { promise: keyed, resolve: hasKeys } = Promise.withResolvers<void>();
    const cancels = [
      this.#ports.timer.after(withinMilliseconds, tooLate),
      this.#revocations.whenFresh(isFresh),
      this.#keys.whenCurrent(hasKeys),
    ];
    await Promise.race([late, Promise.all([fresh, keyed])]);
    for (const cancel of cancels) cancel();
    return this.status().current;
  }

  status() {
    const current = !this.#closed && this.#keys.current() !== null && this.#revocations.isFresh();
    const { entries: revocations } = this.#revocations;
    return { current, revocationAgeMilliseconds: this.#revocations.age(), revocations };
  }

  close(): void {
    this.#closed = true;
    this.#keys.close();
    this.#revocations.close();
  }

  /** All in one step of the event loop: what is found fresh is what the token is judged by. */
  #judge(token: string): Result<DeviceTokenClaims, VerifierRefusal> {
    if (this.#closed) return refuse('VERIFIER_STALE', 'closed');
    if (!this.#revocations.isFresh()) return refuse('VERIFIER_STALE', 'revocations');
    const keys = this.#keys.current();
    if (keys === null) return refuse('VERIFIER_STALE', 'keys');
    const { issuer, acquirer: audience, aheadSeconds = DEFAULT_AHEAD_SECONDS } = this.#options;
    const claims = verifyDeviceToken(token, { issuer, audience, keys, now: this.#now(), aheadSeconds });
    if (!claims.ok) return claims;
    const revocation = this.#revocations.voiding(claims.value);
    return revocation === null ? ok(claims.value) : refuse('TOKEN_REVOKED', revocation.reason);
  }

  /** A local clock that is behind must not keep tokens alive whose revocations are dropped as moot. */
  #now(): Date {
    const now = this.#ports.clock.now();
    const { serviceTime } = this.#revocations;
    return serviceTime !== null && serviceTime > now ? serviceTime : now;
  }
}
