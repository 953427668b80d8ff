import { readPolicy } from '../../../src/app/policy.ts';
import { anchorFromCertificate, createAnchorSet } from '../../../src/attestation/android/anchors.ts';
import type { CertificateStatus } from '../../../src/attestation/android/revocation.ts';
import { migrate } from '../../../src/store/sql/engine/migrate.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { createVerifier, type Verifier } from '../../../src/verifier/index.ts';
import { createVirtualFactory, type VirtualFactory } from '../../../src/virtual/keymint/factory.ts';
import { Certificates } from '../../server/transport/support/edge.ts';
import { temporaryDatabase } from '../../store/engine/temporary.ts';
import { RedisServer } from '../../store/volatile/redis-server.ts';
import { TestClock } from '../../support/clock.ts';
import { SeededRandom } from '../../support/random.ts';
import { unwrap } from '../../support/unwrap.ts';
import { SigningVault } from '../../support/vault.ts';
import { ACQUIRER, ISSUER, Replica, type Shared } from './replica.ts';

const ROOT = new URL('../../../', import.meta.url).pathname;

/** Which of the two replicas. */
export type Which = 0 | 1;

/** The second replica's clock is ahead by this much: less than a second, as clocks that are kept are. */
const AHEAD = 300;

/** Two replicas over one PostgreSQL and one Redis, and processing's verifier; time passes only where a test says so. */
export class LifeSetting {
  readonly clock = new TestClock();
  /** What phones and the verifier draw from. */
  readonly random: SeededRandom;
  /** What the commands are drawn from, so that a seed always leads to the same ones. */
  readonly choices: SeededRandom;
  readonly factory: VirtualFactory;
  readonly listed = new Map<string, CertificateStatus>();
  readonly verifier: Verifier;
  readonly redis: RedisServer;
  readonly pool: SqlPool;
  readonly #shared: Shared;
  readonly #replicas: [Replica, Replica];
  readonly #end: () => Promise<void>;
  #foreseen = 0;
  #turn: Which = 0;
  #away: Which | null = null;

  private constructor(
    seed: string,
    made: { factory: VirtualFactory; shared: Shared; redis: RedisServer; pool: SqlPool },
    parts: {
      listed: Map<string, CertificateStatus>;
      clock: TestClock;
      replicas: [Replica, Replica];
      end: () => Promise<void>;
    },
  ) {
    this.random = new SeededRandom(seed);
    this.choices = new SeededRandom(`${seed} commands`);
    this.clock = parts.clock;
    this.listed = parts.listed;
    this.factory = made.factory;
    this.redis = made.redis;
    this.pool = made.pool;
    this.#shared = made.shared;
    this.#replicas = parts.replicas;
    this.#end = parts.end;
    this.verifier = createVerifier({
      issuer: ISSUER,
      acquirer: ACQUIRER,
      jwks: () => this.replica(this.#away === 0 ? 1 : 0).processing.jwks(),
      // Each stream goes to the other replica, and none to one that is away.
      revocations: {
        watch: (cursor, tell) => {
          const next = this.#turn === 0 ? 1 : 0;
          this.#turn = next === this.#away ? this.#turn : next;
          return this.replica(this.#turn).processing.revocations.watch(cursor, tell);
        },
      },
      ports: { clock: this.clock, monotonic: () => this.clock.now().getTime() + this.#foreseen, random: this.random },
    });
  }

  static async start(seed: string): Promise<LifeSetting> {
    const clock = new TestClock();
    const listed = new Map<string, CertificateStatus>();
    const { database, dispose } = await temporaryDatabase();
    await migrate(database.connection, `${ROOT}src/store/sql/migrations`);
    const redis = await RedisServer.start();
    const certificates = await Certificates.make([{ role: 'security', person: 'ada' }]);
    const factory = createVirtualFactory({ now: () => clock.now(), random: new SeededRandom(`${seed} factory`) });
    const anchor = unwrap(anchorFromCertificate('virtual-factory', factory.anchor.certificate));
    const shared: Shared = {
      database: database.connection,
      redis: redis.url,
      certificates,
      vault: new SigningVault(),
      anchors: createAnchorSet([anchor]),
      statusList: () => ({ fetchedAt: clock.now(), entries: listed }),
      policy: await modelPolicy(),
      random: new SeededRandom(`${seed} service`),
    };
    const pool = new SqlPool({
      address: database.connection,
      applicationName: 'invariants',
      maximumConnections: 2,
      onConnectionLost: () => {},
    });
    const replicas: [Replica, Replica] = [
      await Replica.start(shared, clock),
      await Replica.start(shared, aheadOf(clock)),
    ];
    const end = async (): Promise<void> => {
      await pool.close();
      await redis.dispose();
      await dispose();
      await certificates.remove();
    };
    return new LifeSetting(seed, { factory, shared, redis, pool }, { listed, clock, replicas, end });
  }

  replica(which: Which): Replica {
    return this.#replicas[which];
  }

  /** Disposes of a replica and builds it anew. */
  async restart(which: Which): Promise<void> {
    this.#away = which;
    await this.#replicas[which].stop();
    this.#replicas[which] = await Replica.start(this.#shared, which === 0 ? this.clock : aheadOf(this.clock));
    this.#away = null;
  }

  /** Redis dies with all that it holds, and comes back empty. */
  async loseRedis(): Promise<void> {
    await this.redis.kill();
    await this.redis.restart();
  }

  /** Asks what the verifier would say had it heard nothing more until its knowledge is too old. */
  async whenStale<T>(ask: () => Promise<T>): Promise<T> {
    this.#foreseen = (this.#shared.policy.tokens.maximumStalenessSeconds + 1) * 1000;
    try {
      return await ask();
    } finally {
      this.#foreseen = 0;
    }
  }

  async stop(): Promise<void> {
    this.verifier.close();
    for (const replica of this.#replicas) await replica.stop();
    await this.#end();
  }
}

const aheadOf = (clock: TestClock) => ({ now: () => new Date(clock.now().getTime() + AHEAD) });

/** The default policy without limits on how often one caller comes: all phones of the model come from one address. */
async function modelPolicy() {
  const { document } = await readPolicy(`${ROOT}src/app/policy.default.yaml`);
  const often = { burst: 1_000_000, rate: 1_000_000, per: 'second' } as const;
  const { admission } = document;
  return {
    ...document,
    admission: {
      ...admission,
      device: { perAddress: often },
      processing: { perCertificate: often },
      admin: { perCertificate: often },
      attestation: { ...admission.attestation, perAddress: often, perInvite: often, perDevice: often },
    },
    tokens: { ...document.tokens, revocationPollMilliseconds: 50, heartbeatSeconds: 1 },
  };
}
