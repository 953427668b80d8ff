import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { encodeCheckpoint } from '../../../src/audit/checkpoint.ts';
import { CONTEXT, verifySigned } from '../../../src/encoding/signed.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { signCheckpoint } from '../../../src/vault/operations/sign-checkpoint.ts';
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
  });

describe('a checkpoint of the audit log', () => {
  test('is signed by the audit key of the keystore', () => {
    const signed = unwrap(signCheckpoint({ payload: payload() }, vault.keys, ports));
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
    const signed = signCheckpoint({ payload: payload(seconds) }, vault.keys, ports);
    expect(signed.ok).toBe(isSigned);
    if (!isSigned) expect(signed).toMatchObject({ reason: 'MALFORMED_MESSAGE', detail: 'checkpoint: at another time' });
  });

  test('is not signed in another serialisation, nor anything else', () => {
    for (const other of [Buffer.alloc(0), Buffer.from(`${payload()} `), Buffer.from('{"alg":"ES256"}')]) {
      expect(signCheckpoint({ payload: other }, vault.keys, ports)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
    }
  });

  test('is not signed without an audit key', () => {
    expect(signCheckpoint({ payload: payload() }, { ...vault.keys, audit: null }, ports)).toMatchObject({
      reason: 'AUDIT_KEY_MISSING',
    });
  });
});
