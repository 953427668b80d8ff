import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeCheckpoint, encodeCheckpoint } from '../../../src/audit/checkpoint.ts';
import { CONTEXT, verifySigned } from '../../../src/encoding/signed.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { ok } from '../../../src/reasons/result.ts';
import { signCheckpoint } from '../../../src/vault/operations/sign-checkpoint.ts';
import type { SignedCheckpoints } from '../../../src/vault/signed-checkpoints/ledger.ts';
import { clock, random, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';

let vault: VaultFixture;
beforeAll(() => {
  vault = vaultFixture();
});
afterAll(() => vault.remove());

const ports = { random, clock };

const payload = (apartSeconds = 0): Buffer =>
  encodeCheckpoint({
    number: 1n,
    previous: Buffer.alloc(32),
    at: secondsAfter(clock.now(), apartSeconds),
    entries: 1n,
    heads: [{ writer: '00000000-0000-4000-8000-000000000001', sequence: 1n, hash: Buffer.alloc(32) }],
    takenUp: null,
  });
/** Has signed nothing, and forgets what it signs. */
const UNSIGNED: SignedCheckpoints = { take: (checkpoint) => ok(checkpoint) };
const sign = (bytes: Buffer, keys = vault.keys, signed = UNSIGNED) =>
  signCheckpoint({ payload: bytes }, keys, ports, signed);

describe('a checkpoint of the audit log', () => {
  test('is signed by the audit key of the keystore', () => {
    const signed = unwrap(sign(payload()));
    const { audit, publicKeys } = vault.keys;
    expect(signed).toMatchObject({ payload: payload(), keyId: audit?.keyId });
    const published = publicKeys.find(({ keyId }) => keyId === signed.keyId);
    expect(published).toMatchObject({ kind: 'audit', state: 'active' });
    if (published === undefined) throw new Error('not published');
    expect(verifySigned(CONTEXT.auditCheckpoint, signed, published.publicKey)).toBe(true);
    expect(verifySigned(CONTEXT.grant, signed, published.publicKey)).toBe(false);
  });

  test.each([
    ['dated as far back as it may be', -300, true],
    ['dated too far back', -300.001, false],
    ['dated as far ahead as it may be', 300, true],
    ['dated too far ahead', 300.001, false],
  ])('is signed where it is %s: %d s', (_what, seconds, isSigned) => {
    const signed = sign(payload(seconds));
    expect(signed.ok).toBe(isSigned);
    if (!isSigned) expect(signed).toMatchObject({ reason: 'MALFORMED_MESSAGE', detail: 'checkpoint: at another time' });
  });

  test('is not signed in another serialisation, nor anything else', () => {
    for (const other of [Buffer.alloc(0), Buffer.from(`${payload()} `), Buffer.from('{"alg":"ES256"}')]) {
      expect(sign(other)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
    }
  });

  test('is not signed without an audit key', () => {
    expect(sign(payload(), { ...vault.keys, audit: null })).toMatchObject({
      reason: 'AUDIT_KEY_MISSING',
    });
  });

  test('is not signed where it says of itself that the log was taken up: the vault alone says so', () => {
    const last = { number: 9n, hash: Buffer.alloc(32, 9) };
    const said = encodeCheckpoint({
      ...unwrap(decodeCheckpoint(payload())),
      takenUp: { last, by: 'eve', at: clock.now() },
    });
    expect(sign(said)).toMatchObject({ reason: 'MALFORMED_MESSAGE', detail: 'checkpoint: taken up' });
  });

  test('is answered by the one that was signed in its place, and refused where it does not follow', () => {
    const first = unwrap(sign(payload(), vault.keys, vault.custodian.checkpoints));
    const again = unwrap(sign(payload(1), vault.keys, vault.custodian.checkpoints));
    expect(first.payload).toEqual(payload());
    expect(again.payload).toEqual(payload());
    const { audit } = vault.keys;
    if (audit === null) throw new Error('no audit key');
    expect(verifySigned(CONTEXT.auditCheckpoint, again, audit.publicKey)).toBe(true);
    const other = encodeCheckpoint({ ...unwrap(decodeCheckpoint(payload())), previous: Buffer.alloc(32, 1) });
    expect(sign(other, vault.keys, vault.custodian.checkpoints)).toMatchObject({ reason: 'AUDIT_LOG_REPLACED' });
  });
});
