import { beforeEach, describe, expect, test } from '@jest/globals';
import { p256Coordinates, p256Thumbprint } from '../../src/encoding/p256.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../src/tokens/claims.ts';
import type { RevocationReason } from '../../src/tokens/revocation.ts';
import {
  CONTEXT,
  createVerifier,
  type PublishedKey,
  type RevocationSource,
  type Verifier,
  type VerifierEvent,
  verifySessionSignature,
  type WatchEnd,
} from '../../src/verifier/index.ts';
import { compactJws } from '../support/jws.ts';
import { ManualTime, settle } from '../support/manual-time.ts';
import { SeededRandom } from '../support/random.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { TOKEN_LIFE, tokenSubject } from '../support/tokens.ts';

const ISSUER = 'https://tapgate.example';
const session = signingKey();
const random = new SeededRandom('verifier');

type Tell = Parameters<RevocationSource['watch']>[1];

/** A feed that a test speaks for. */
class Feed {
  readonly opened: string[] = [];
  readonly #time: ManualTime;
  #tell: Tell | null = null;
  /** Seconds that the service's clock is ahead. */
  ahead = 0;
  /** Thrown by whoever opens the feed, as a connection that is closed does. */
  failure: Error | null = null;
  #count = 0;

  constructor(time: ManualTime) {
    this.#time = time;
  }

  get isOpen(): boolean {
    return this.#tell !== null;
  }

  readonly watch = (cursor: string, tell: Tell): (() => void) => {
    this.opened.push(cursor);
    if (this.failure !== null) throw this.failure;
    this.#tell = tell;
    return () => {
      if (this.#tell === tell) this.#tell = null;
    };
  };

  /** A message that says it is complete as of so many seconds ago. */
  say(
    entries: readonly string[] = [],
    { ago = 0, reason = 'DEVICE_REVOKED' as RevocationReason, complete = true } = {},
  ): void {
    this.#count += 1;
    const now = this.#time.now().getTime() + this.ahead * 1000;
    this.#tell?.update({
      entries: entries.map((deviceId) => ({ deviceId, reason, revokedAt: new Date(now - ago * 1000) })),
      cursor: `cursor-${this.#count}`,
      asOf: complete ? new Date(now - ago * 1000) : null,
      heartbeatSeconds: 5,
      maximumStalenessSeconds: 30,
    });
  }

  end(end: WatchEnd): void {
    const tell = this.#tell;
    this.#tell = null;
    tell?.end(end);
  }
}

const published = (kid: string, { spki }: SigningKey, tapgateUse = 'device-token'): PublishedKey => {
  const point = p256Coordinates(spki);
  if (point === null) throw new Error('not P-256');
  return { kid, ...point, alg: 'ES256', tapgateUse };
};

const first = signingKey();
const second = signingKey();

let time: ManualTime;
let feed: Feed;
let jwks: { keys: readonly PublishedKey[]; failure: Error | null; fetches: number };
let events: VerifierEvent[];
let verifier: Verifier;
beforeEach(async () => {
  time = new ManualTime();
  feed = new Feed(time);
  jwks = { keys: [published('one', first), published('receipt', second, 'receipt')], failure: null, fetches: 0 };
  events = [];
  verifier = open();
  await settle();
});

const open = (more: { maximumStalenessSeconds?: number; maximumRevocations?: number } = {}): Verifier =>
  createVerifier({
    issuer: ISSUER,
    acquirer: 'acme',
    jwks: async () => {
      jwks.fetches += 1;
      if (jwks.failure !== null) throw jwks.failure;
      return jwks.keys;
    },
    revocations: feed,
    onEvent: (event) => events.push(event),
    ports: { clock: time, monotonic: time.monotonic, timer: time, random },
    ...more,
  });

const tokenOf = (
  deviceId = 'device-1',
  { kid = 'one', key = first, acquirer = 'acme', at = time.now() } = {},
): string => {
  const subject = tokenSubject(ISSUER, deviceId, acquirer, session.thumbprint);
  const { claims } = deviceTokenClaims(subject, TOKEN_LIFE, at, random);
  return compactJws({ alg: 'ES256', kid, typ: DEVICE_TOKEN_TYPE }, claims, key.privateKey);
};
const refusalOf = async (token: string): Promise<string | null> => {
  const verified = await verifier.verify(token);
  return verified.ok ? null : verified.reason;
};

describe('a verifier', () => {
  test('says nothing before it knows the revocations, then answers claims', async () => {
    expect(await refusalOf(tokenOf())).toBe('VERIFIER_STALE');
    feed.say([], { complete: false });
    expect(await refusalOf(tokenOf())).toBe('VERIFIER_STALE');
    feed.say();
    expect(await verifier.verify(tokenOf())).toMatchObject({ ok: true, value: { sub: 'device-1', aud: 'acme' } });
    expect(feed.opened).toEqual(['']);
  });

  test('refuses what is not a token of this acquirer in force', async () => {
    feed.say();
    expect(await refusalOf('no token')).toBe('TOKEN_INVALID');
    expect(await refusalOf(tokenOf('device-1', { key: second }))).toBe('TOKEN_INVALID');
    expect(await refusalOf(tokenOf('device-1', { key: second, kid: 'receipt' }))).toBe('TOKEN_INVALID');
    expect(await refusalOf(tokenOf('device-1', { acquirer: 'umbra' }))).toBe('TOKEN_AUDIENCE_MISMATCH');
    const token = tokenOf();
    for (let beats = 0; beats < 120; beats += 1) {
      await time.advance(5_000);
      feed.say();
    }
    expect(await refusalOf(token)).toBe('TOKEN_INVALID');
  });

  test('refuses a revoked device until it has attested anew', async () => {
    feed.say();
    const before = tokenOf();
    await time.advance(2_000);
    feed.say(['device-1']);
    expect(await verifier.verify(before)).toMatchObject({ reason: 'TOKEN_REVOKED', detail: 'DEVICE_REVOKED' });
    expect(await refusalOf(tokenOf('device-2'))).toBeNull();
    await time.advance(1_000);
    expect(await refusalOf(tokenOf())).toBeNull();
    feed.say(['device-1'], { ago: 20 });
    expect(await refusalOf(before)).toBe('TOKEN_REVOKED');
  });

  test('is stale when it has heard nothing for too long, and recovers', async () => {
    feed.say();
    await time.advance(15_000);
    expect(events).toContainEqual({ kind: 'revocations-cut', cause: 'silent' });
    await time.advance(15_000);
    expect(await refusalOf(tokenOf())).toBeNull();
    await time.advance(1);
    expect(await refusalOf(tokenOf())).toBe('VERIFIER_STALE');
    await time.advance(60_000);
    expect(feed.isOpen).toBe(true);
    feed.say();
    expect(await refusalOf(tokenOf())).toBeNull();
  });

  test('keeps to a staleness of its own that is shorter', async () => {
    verifier.close();
    verifier = open({ maximumStalenessSeconds: 8 });
    await settle();
    feed.say();
    await time.advance(8_000);
    expect(await refusalOf(tokenOf())).toBeNull();
    await time.advance(1);
    expect(await refusalOf(tokenOf())).toBe('VERIFIER_STALE');
  });

  test('finds messages old that were long under way', async () => {
    feed.say();
    for (let lag = 5; lag <= 30; lag += 5) {
      await time.advance(5_000);
      feed.say([], { ago: lag });
    }
    expect(await refusalOf(tokenOf())).toBeNull();
    await time.advance(1_000);
    feed.say([], { ago: 31 });
    expect(await refusalOf(tokenOf())).toBe('VERIFIER_STALE');
  });

  test('counts the first message of a stream from when the stream was opened', async () => {
    await time.advance(20_000);
    feed.say();
    expect(verifier.status().revocationAgeMilliseconds).toBe(20_000);
  });

  test('does not depend on the two clocks agreeing', async () => {
    feed.ahead = -3_000;
    feed.say();
    expect(await refusalOf(tokenOf())).toBeNull();
    await time.advance(5_000);
    feed.ahead = 4;
    feed.say();
    expect(verifier.status().revocationAgeMilliseconds).toBe(0);
    expect(await refusalOf(tokenOf())).toBeNull();
  });

  test('lets no clock that is behind keep a token alive that has expired for the service', async () => {
    feed.say();
    const token = tokenOf();
    feed.say(['device-1'], { reason: 'DEVICE_SUSPENDED' });
    for (let beats = 0; beats < 721; beats += 1) {
      await time.advance(5_000);
      time.jump(-5_000);
      feed.ahead += 5;
      feed.say();
    }
    expect(await refusalOf(token)).toBe('TOKEN_INVALID');
  });

  test('goes on with its cursor after a cut, anew after a reset, and forgets nothing', async () => {
    feed.say(['device-1']);
    const token = tokenOf('device-1', { at: time.now() });
    feed.end({ kind: 'cut', error: new Error('lost') });
    await time.advance(10_000);
    expect(feed.opened).toEqual(['', 'cursor-1']);
    feed.end({ kind: 'reset' });
    await time.advance(10_000);
    expect(feed.opened).toEqual(['', 'cursor-1', '']);
    feed.say();
    expect(await refusalOf(token)).toBe('TOKEN_REVOKED');
    expect(events.filter(({ kind }) => kind === 'revocations-cut')).toHaveLength(2);
  });

  test('backs off while the feed cannot be had, ten seconds at most', async () => {
    for (let cuts = 0; cuts < 40; cuts += 1) {
      feed.end({ kind: 'cut', error: new Error('lost') });
      await time.advance(10_000);
      expect(feed.isOpen).toBe(true);
    }
    const { length } = feed.opened;
    feed.end({ kind: 'cut', error: new Error('lost') });
    await time.advance(4_000);
    expect(feed.opened).toHaveLength(length);
  });

  test('takes a feed that cannot even be opened for one that is cut', async () => {
    feed.say();
    feed.failure = new Error('Channel has been shut down');
    feed.end({ kind: 'cut', error: new Error('lost') });
    await time.advance(60_000);
    expect(await refusalOf(tokenOf())).toBe('VERIFIER_STALE');
    expect(events).toContainEqual(expect.objectContaining({ kind: 'revocations-cut', error: feed.failure }));
    feed.failure = null;
    await time.advance(10_000);
    feed.say();
    expect(await refusalOf(tokenOf())).toBeNull();
  });

  test('drops revocations that are moot, and refuses everything where there are too many', async () => {
    verifier.close();
    verifier = open({ maximumRevocations: 3000 });
    await settle();
    feed.say(Array.from({ length: 2000 }, (_, n) => `old-${n}`));
    for (let beats = 0; beats < 721; beats += 1) {
      await time.advance(5_000);
      feed.say();
    }
    feed.say(Array.from({ length: 2500 }, (_, n) => `new-${n}`));
    expect(verifier.status()).toMatchObject({ current: true, revocations: 2500 });
    feed.say(Array.from({ length: 1000 }, (_, n) => `more-${n}`));
    expect(await refusalOf(tokenOf('device-1'))).toBe('VERIFIER_STALE');
    await time.advance(10_000);
    expect(feed.opened.at(-1)).toBe('');
  });

  test('never fails through a rotation: the new key is published before it signs', async () => {
    await time.advance(6_000);
    feed.say();
    jwks.keys = [...jwks.keys, published('two', second)];
    expect(await refusalOf(tokenOf('device-1', { kid: 'two', key: second }))).toBeNull();
    jwks.keys = [published('two', second)];
    const { fetches } = jwks;
    for (let beats = 0; beats < 13; beats += 1) {
      await time.advance(5_000);
      feed.say();
    }
    expect(jwks.fetches).toBe(fetches + 1);
    expect(await refusalOf(tokenOf('device-1', { kid: 'two', key: second }))).toBeNull();
    expect(await refusalOf(tokenOf('device-1', { kid: 'one' }))).toBe('TOKEN_INVALID');
  });

  test('fetches no more than once in five seconds for key ids that anybody makes up', async () => {
    feed.say();
    await time.advance(5_000);
    feed.say();
    const { fetches } = jwks;
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => refusalOf(tokenOf('d', { kid: `made-up-${n}` }))),
    );
    expect(new Set(answers)).toEqual(new Set(['TOKEN_INVALID']));
    expect(jwks.fetches).toBe(fetches + 1);
  });

  test('says nothing of an unknown key while keys cannot be fetched, and of any token once they are too old', async () => {
    feed.say();
    await time.advance(6_000);
    feed.say();
    jwks.failure = new Error('lost');
    expect(await refusalOf(tokenOf('device-1', { kid: 'two' }))).toBe('VERIFIER_STALE');
    expect(await refusalOf(tokenOf())).toBeNull();
    for (let beats = 0; beats < 181; beats += 1) {
      await time.advance(5_000);
      feed.say();
    }
    expect(await refusalOf(tokenOf())).toBe('VERIFIER_STALE');
    jwks.failure = null;
    await time.advance(5_000);
    feed.say();
    expect(await refusalOf(tokenOf())).toBeNull();
  });

  test('is ready once it has keys and revocations, and not where time runs out', async () => {
    const late = verifier.ready(1_000);
    await time.advance(1_000);
    expect(await late).toBe(false);
    const ready = verifier.ready(10_000);
    feed.say();
    expect(await ready).toBe(true);
  });

  test('refuses everything once it is closed, and waits for nothing', async () => {
    feed.say();
    verifier.close();
    await settle();
    expect(await refusalOf(tokenOf())).toBe('VERIFIER_STALE');
    expect(feed.isOpen).toBe(false);
    expect(time.waiting).toBe(0);
  });
});

describe("the session key's signature", () => {
  const claims = { cnf: { jkt: session.thumbprint } };
  const payload = Buffer.from('exact bytes');
  const { signature } = session.sign(CONTEXT.paymentIntent, payload);
  const other = signingKey();
  const offCurve = Buffer.from(session.spki);
  offCurve[offCurve.length - 1]! ^= 1;

  test.each<[string, Parameters<typeof verifySessionSignature>, boolean]>([
    ['holds', [claims, CONTEXT.paymentIntent, payload, signature, session.spki], true],
    ['is for one purpose', [claims, CONTEXT.postureReport, payload, signature, session.spki], false],
    [
      'is over these bytes',
      [claims, CONTEXT.paymentIntent, Buffer.from('other bytes'), signature, session.spki],
      false,
    ],
    [
      'is of the key that the token names',
      [claims, CONTEXT.paymentIntent, payload, other.sign(CONTEXT.paymentIntent, payload).signature, other.spki],
      false,
    ],
    ['is no other text', [claims, CONTEXT.paymentIntent, payload, Buffer.alloc(70), session.spki], false],
    ['is not empty', [claims, CONTEXT.paymentIntent, payload, Buffer.alloc(0), session.spki], false],
    ['is of a key', [claims, CONTEXT.paymentIntent, payload, signature, Buffer.alloc(91)], false],
    [
      'is of a point of the curve',
      [{ cnf: { jkt: thumbprintOf(offCurve) } }, CONTEXT.paymentIntent, payload, signature, offCurve],
      false,
    ],
  ])('%s', (_what, given, valid) => {
    const verified = verifySessionSignature(...given);
    expect(verified.ok).toBe(valid);
    if (!verified.ok) expect(verified.reason).toBe('SESSION_KEY_MISMATCH');
  });
});

function thumbprintOf(spki: Buffer): string {
  return p256Thumbprint(spki) ?? '';
}
