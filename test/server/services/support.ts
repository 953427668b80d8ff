import { p256Coordinates } from '../../../src/encoding/p256.ts';
import type { JsonWebKey } from '../../../src/gen/tapgate/v1/device_token_service.ts';
import { RevocationFollower } from '../../../src/jobs/revocations/follower.ts';
import { systemTimer } from '../../../src/jobs/timer.ts';
import { deviceTokenService } from '../../../src/server/services/device-token.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../../src/tokens/claims.ts';
import type { RevocationReason } from '../../../src/tokens/revocation.ts';
import { type EnrolledPhone, enrolPhone } from '../../support/enrolled.ts';
import { compactJws } from '../../support/jws.ts';
import { openGuard } from '../../support/kills.ts';
import { SeededRandom } from '../../support/random.ts';
import { MemoryRevocationFeed } from '../../support/revocations.ts';
import { signingKey } from '../../support/signing-key.ts';
import { MemoryStores } from '../../support/stores.ts';
import { TOKEN_LIFE, tokenSubject } from '../../support/tokens.ts';
import { type Certificates, type Edge, startEdge } from '../transport/support/edge.ts';

export const ISSUER = 'https://tapgate.example';

/** The processing listener with DeviceTokenService over stores in memory, on the real clock. */
export class TokenTable {
  readonly stores = new MemoryStores();
  readonly feed = new MemoryRevocationFeed();
  readonly key = signingKey();
  readonly random = new SeededRandom('token service');
  readonly clock = { now: () => new Date() };
  readonly policy = { revocationPollMilliseconds: 50, heartbeatSeconds: 1, maximumStalenessSeconds: 5 };
  readonly follower = new RevocationFollower({
    feed: this.feed,
    clock: this.clock,
    timer: systemTimer,
    policy: () => this.policy,
  });

  async serve(certificates: Certificates, port = 0): Promise<Edge> {
    const services = [
      deviceTokenService({
        jwks: () => [this.jwk()],
        bearer: {
          issuer: ISSUER,
          clock: this.clock,
          devices: this.stores.devices,
          tokenKeys: () => new Map([['token-1', this.key.publicKey]]),
          kills: openGuard(),
        },
        revocations: { feed: this.feed, followed: this.follower, policy: () => this.policy, random: this.random },
      }),
    ];
    return startEdge(certificates, 'processing', services, { address: { host: '127.0.0.1', port } });
  }

  jwk(): JsonWebKey {
    const point = p256Coordinates(this.key.spki);
    if (point === null) throw new Error('not P-256');
    return { kid: 'token-1', ...point, alg: 'ES256', tapgateUse: 'device-token' };
  }

  enrol(): Promise<EnrolledPhone> {
    return enrolPhone(this.stores);
  }

  /** A token of the phone, for its own acquirer or another one. */
  tokenOf({ deviceId, sessionKey }: Pick<EnrolledPhone, 'deviceId' | 'sessionKey'>, acquirer: string): string {
    const subject = tokenSubject(ISSUER, deviceId, acquirer, sessionKey.thumbprint);
    const { claims } = deviceTokenClaims(subject, TOKEN_LIFE, this.clock.now(), this.random);
    return compactJws({ alg: 'ES256', kid: 'token-1', typ: DEVICE_TOKEN_TYPE }, claims, this.key.privateKey);
  }

  publish(acquirer: string, deviceId: string, reason: RevocationReason = 'DEVICE_REVOKED'): void {
    this.feed.publish(acquirer, { deviceId, reason, revokedAt: this.clock.now() });
  }
}
