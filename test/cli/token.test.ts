import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { EXIT, leavingFor } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';
import { meaningOfClaims } from '../../src/cli/token-view.ts';
import { p256Coordinates } from '../../src/encoding/p256.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../src/tokens/claims.ts';
import { START } from '../support/clock.ts';
import { compactJws } from '../support/jws.ts';
import { SeededRandom } from '../support/random.ts';
import { signingKey } from '../support/signing-key.ts';
import { TOKEN_LIFE, tokenSubject } from '../support/tokens.ts';

const ISSUER = 'https://tapgate.example';
const key = signingKey();
const subject = tokenSubject(ISSUER, 'device-1', 'acme', key.thumbprint);
const { claims } = deviceTokenClaims(subject, TOKEN_LIFE, START, new SeededRandom('cli'));
const token = compactJws({ alg: 'ES256', kid: 'one', typ: DEVICE_TOKEN_TYPE }, claims, key.privateKey);

let folder: string;
let jwks: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tapgate-token-'));
  jwks = join(folder, 'jwks.json');
  const published = { kty: 'EC', crv: 'P-256', kid: 'one', ...p256Coordinates(key.spki), alg: 'ES256' };
  await writeFile(jwks, JSON.stringify({ keys: [{ ...published, tapgate_use: 'device-token' }] }));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the command in this process: what it printed, and how it left. */
async function tapgate(...args: string[]): Promise<{ code: number; out: string }> {
  const parts: string[] = [];
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    parts.push(String(text));
    return true;
  });
  try {
    await createProgram().parseAsync(['node', 'tapgate', 'token', ...args]);
    return { code: Number(process.exitCode ?? EXIT.ok), out: parts.join('') };
  } catch (error) {
    return { code: leavingFor(error).code, out: parts.join('') };
  } finally {
    write.mockRestore();
    process.exitCode = EXIT.ok;
  }
}

describe('tapgate token', () => {
  test('show explains each claim, and says that nothing is verified', async () => {
    const { code, out } = await tapgate('show', token);
    expect(code).toBe(0);
    expect(out).toContain('Nothing of this is verified');
    expect(out).toContain('issued at: 2026-03-01T12:00:00Z');
    const json = JSON.parse((await tapgate('show', token, '--json')).out) as object;
    expect(json).toEqual({ verified: false, header: { alg: 'ES256', kid: 'one', typ: DEVICE_TOKEN_TYPE }, claims });
  });

  test('show leaves with 1 where there is no token', async () => {
    expect(await tapgate('show', 'no.token')).toMatchObject({ code: 1 });
  });

  test.each<[string, readonly string[], number, object]>([
    ['a valid one', ['--at', '2026-03-01T12:05:00Z', '--audience', 'acme'], 0, { ok: true, claims }],
    ['an expired one', ['--at', '2026-03-01T12:10:00Z'], 1, { ok: false, reason: 'TOKEN_INVALID', detail: 'expired' }],
    [
      'one of another acquirer',
      ['--at', '2026-03-01T12:05:00Z', '--audience', 'umbra'],
      1,
      { ok: false, reason: 'TOKEN_AUDIENCE_MISMATCH' },
    ],
  ])('verify tells %s', async (_what, args, code, answer) => {
    const told = await tapgate('verify', token, '--jwks', jwks, '--issuer', ISSUER, '--json', ...args);
    expect(told.code).toBe(code);
    expect(JSON.parse(told.out)).toEqual(answer);
  });

  test('verify leaves with 2 without keys', async () => {
    expect(await tapgate('verify', token, '--jwks', join(folder, 'none.json'))).toMatchObject({ code: 2 });
  });
});

test.each<[Record<string, unknown>, string]>([
  [{ exp: 1e300 }, 'expires at: no instant'],
  [{ exp: 'soon' }, 'expires at: no instant'],
  [{ other: [1] }, 'not a member that Tapgate gives'],
  [{ submods: { phone: { 'ear.trustworthiness-vector': { hardware: 97 } } } }, 'contraindicated'],
  [{ submods: { phone: { 'ear.trustworthiness-vector': { hardware: 'x' } } } }, 'no value of AR4SI'],
])('%j is explained', (members, meaning) => {
  expect(meaningOfClaims(members)).toMatchObject([{ meaning }]);
});
