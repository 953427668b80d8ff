import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runToEnd, type ServingChild, startServing } from '../../src/virtual/world/process.ts';
import { readExample } from './python/example.ts';
import { generateStubs, PYTHON, runProgram, SAMPLES } from './python/support.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const SCENARIO = fileURLToPath(new URL('./python/scenario.py', import.meta.url));

interface Told {
  readonly device: string;
  readonly jkt: string;
  readonly claims: Readonly<Record<string, unknown>> & { readonly iat: number; readonly exp: number };
  readonly expiresAt: number;
  readonly refreshAfter: number;
  readonly failedChecks: readonly string[];
}

type Outcomes = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

let root: string;
let service: ServingChild | null = null;
let outcomes: Outcomes = {};
let printed = '';

async function newInvite(data: string): Promise<string> {
  const made = await runToEnd([TAPGATE, 'invite', 'create', '--merchant', 'courier-7', '--data', data, '--json']);
  return (JSON.parse(made) as { code: string }).code;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tapgate-python-'));
  // The database runs under its own account where root starts the service, and has to reach its folder.
  await chmod(root, 0o711);
  const data = join(root, 'data');
  const stubs = join(root, 'stubs');
  const planes = ['DEVICE', 'PROCESSING', 'ADMIN', 'OPS'];
  await Promise.all([
    generateStubs(stubs),
    startServing([TAPGATE, 'serve', '--data', data, '--trust-virtual-phones', '--json'], {
      log: join(root, 'service.log'),
      isReady: (line) => line.includes('"event":"ready"'),
      environment: Object.fromEntries(planes.map((plane) => [`TAPGATE_CONFIG_LISTENERS_${plane}_PORT`, '0'])),
    }).then((child) => {
      service = child;
    }),
  ]);
  const invites = [await newInvite(data), await newInvite(data)];
  const another = await newInvite(data);
  const example = await readExample();
  const settings = { data, work: root, invites, example, tapgate: [process.execPath, TAPGATE] };
  const env = { PYTHONPATH: `${stubs}:${SAMPLES}`, PYTHONDONTWRITEBYTECODE: '1', GRPC_VERBOSITY: 'NONE' };
  const [told, shown] = await Promise.all([
    runProgram(PYTHON, [SCENARIO, JSON.stringify(settings)], { env }),
    runProgram(PYTHON, [join(SAMPLES, 'tapgate_app.py'), data, another, ...settings.tapgate], { cwd: root, env }),
  ]);
  outcomes = JSON.parse(told) as Outcomes;
  printed = shown;
}, 240_000);

afterAll(async () => {
  await service?.stop();
  await rm(root, { recursive: true, force: true });
}, 60_000);

/** What a step that had to succeed tells. */
function told(step: string): Told {
  const outcome = outcomes[step] ?? {};
  expect(outcome).toEqual({ value: expect.anything() });
  return outcome.value as Told;
}

describe('a client in Python that knows the documents and the protos only', () => {
  test("computes the example's bytes as the page shows them", async () => {
    const { nonce, hello, posture, 'session key': sessionKey, ...computed } = await readExample();
    expect([nonce, hello, posture, sessionKey]).not.toContain(undefined);
    expect(outcomes.example).toEqual({ value: computed });
  });

  test('enrols, and its token verifies against the published keys', () => {
    const { device, jkt, claims, expiresAt, refreshAfter, failedChecks } = told('enrol');
    expect(claims).toMatchObject({ sub: device, aud: 'acquirer', merchant: 'courier-7', cnf: { jkt } });
    expect(claims.exp).toBe(expiresAt);
    expect(refreshAfter).toBeGreaterThan(claims.iat);
    expect(refreshAfter).toBeLessThan(expiresAt);
    expect(failedChecks).toEqual([]);
  });

  test('attests again as the same device with a new session key', () => {
    const [first, again] = [told('enrol'), told('attest')];
    expect(again.device).toBe(first.device);
    expect(again.jkt).not.toBe(first.jkt);
    expect(again.claims).toMatchObject({ sub: first.device, cnf: { jkt: again.jkt } });
  });

  test('resumes with the session key that it has', () => {
    const [attested, resumed] = [told('attest'), told('resume')];
    expect(resumed.jkt).toBe(attested.jkt);
    expect(resumed.claims).toMatchObject({ sub: attested.device, cnf: { jkt: attested.jkt } });
    expect(resumed.claims.jti).not.toBe(attested.claims.jti);
  });

  test('proves the keys of both domains that it was offered', () => {
    const ids = outcomes.inject?.value;
    expect(ids).toEqual({
      pin: expect.stringMatching(/^[0-9a-f]{16}$/),
      'account-data': expect.stringMatching(/^[0-9a-f]{16}$/),
    });
  });

  test('gets keys under its RSA key too, and is told again that they are active', () => {
    expect(outcomes['inject by RSA, and ask again']?.value).toEqual({
      pin: expect.stringMatching(/^[0-9a-f]{16}$/),
      'account-data': expect.stringMatching(/^[0-9a-f]{16}$/),
      same: true,
    });
  });

  test('finds its device again where the result of its enrolment was lost', () => {
    expect(told('enrolment whose result was lost').device).toBe(told('enrol').device);
  });

  test('attests anew by itself where its session cannot be resumed', () => {
    const [lost, fresh] = [told('attest'), told('refresh of a session that was replaced')];
    expect(fresh.device).toBe(lost.device);
    expect(fresh.jkt).not.toBe(lost.jkt);
  });
});

describe('the sample as the document runs it', () => {
  test('enrols and resumes', () => {
    expect(printed).toMatch(/^enrolled as [0-9a-f-]{36}\nresumed, token until \S+Z\n$/);
  });
});

describe('it is refused, with a reason that it can read, for', () => {
  test.each([
    ['used invite without the device key', 'INVITE_INVALID', null],
    ['wrong challenge', 'CHALLENGE_MISMATCH', expect.any(Number)],
    ['wrong signature', 'EVIDENCE_SIGNATURE_INVALID', null],
    ['unlocked phone', 'BOOT_UNLOCKED', null],
    ['hooked phone', 'POSTURE_REFUSED', expect.any(Number)],
  ])('%s: %s', (step, refused, pause) => {
    expect(outcomes[step]).toMatchObject({ refused, action: expect.stringMatching(/\w/), pause });
    expect(outcomes[step]?.reasons).toContain(refused);
  });
});

describe('it refuses', () => {
  test('a service whose keys its anchor does not endorse', () => {
    expect(outcomes['foreign service anchor']).toEqual({ notTrusted: expect.stringContaining('endorsed') });
  });

  test('a listener whose certificate is of another authority', () => {
    expect(outcomes['foreign authority']).toEqual({ status: 'UNAVAILABLE', pause: expect.any(Number) });
  });
});
