import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { derFromRaw, es256Header } from '../../src/encoding/jws.ts';
import { p256Thumbprint } from '../../src/encoding/p256.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Random } from '../../src/ports/random.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../src/tokens/claims.ts';
import { verifyDeviceToken } from '../../src/tokens/verify.ts';
import { cpuMicroseconds } from '../cpu.ts';
import type { BenchReport } from '../group.ts';
import { type Goal, lineOf } from '../lines.ts';
import { compare, interleave } from '../measure.ts';

const ROUNDS = { rounds: 15, warmUp: 5 };
const TOKENS = 1000;
const ISSUER = 'https://tapgate.localhost';
const AUDIENCE = 'acquirer';
const POLICY = { lifetimeSeconds: 600, refreshFraction: 0.5, refreshJitterFraction: 0.2 };

const GOAL: Goal = { relation: '<=', ratio: 1.3 };

interface SignedToken {
  readonly compact: string;
  readonly signed: Buffer;
  /** DER. */
  readonly signature: Buffer;
}

function tokenOf(signer: KeyObject, keyId: string, now: Date, random: Random): SignedToken {
  const subject = {
    issuer: ISSUER,
    deviceId: random.bytes(16).toString('hex'),
    acquirer: AUDIENCE,
    merchant: 'courier-7',
    sessionKeyThumbprint: random.bytes(32).toString('base64url'),
    build: 'tapgate 0.1.0',
    policyVersion: random.bytes(8).toString('hex'),
    trustVector: { 'instance-identity': 2, configuration: 2, executables: 3, hardware: 2, 'storage-opaque': 2 },
  };
  const { claims } = deviceTokenClaims(subject, POLICY, now, random);
  const input = `${es256Header(keyId, DEVICE_TOKEN_TYPE)}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  const signed = Buffer.from(input);
  const raw = sign('sha256', signed, { key: signer, dsaEncoding: 'ieee-p1363' });
  return { compact: `${input}.${raw.toString('base64url')}`, signed, signature: derFromRaw(raw) };
}

/** Verifies device tokens, no two alike, against the bare verification of their signatures. */
export async function measureTokens(clock: Clock, random: Random, { line }: BenchReport): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = createPublicKey(privateKey);
  const keyId = p256Thumbprint(key.export({ format: 'der', type: 'spki' })) ?? '';
  const now = clock.now();
  const tokens = Array.from({ length: TOKENS }, () => tokenOf(privateKey, keyId, now, random));
  const expected = { issuer: ISSUER, keys: new Map([[keyId, key]]), audience: AUDIENCE, now };
  const check = (holds: boolean): void => {
    if (!holds) throw new Error('a token of the bench is refused');
  };
  const rounds = await interleave({
    ...ROUNDS,
    ours: () =>
      cpuMicroseconds(TOKENS, () => {
        for (const { compact } of tokens) check(verifyDeviceToken(compact, expected).ok);
      }),
    yardstick: () =>
      cpuMicroseconds(TOKENS, () => {
        for (const { signed, signature } of tokens) check(verify('sha256', signed, key, signature));
      }),
  });
  line(lineOf('attestation/token-verify', 'CPU µs/token', compare(rounds), GOAL));
}
