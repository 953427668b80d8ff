import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DukptRegisters } from '../../src/payment-crypto/aes-dukpt/registers.ts';
import { InitialKeyId } from '../../src/payment-crypto/ksn.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { runToEnd, type ServingChild, startServing } from '../../src/virtual/world/process.ts';
import { readExample } from './python/example.ts';
import { generateStubs, makeZoneKeys, PYTHON, runProgram, SAMPLES, TAPGATE } from './python/support.ts';

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
let paid = '';

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
  await makeZoneKeys(data, root, 'acquirer');
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
  const others = [await newInvite(data), await newInvite(data)];
  const example = await readExample();
  const settings = { data, work: root, invites, example, tapgate: [process.execPath, TAPGATE] };
  const env = { PYTHONPATH: `${stubs}:${SAMPLES}`, PYTHONDONTWRITEBYTECODE: '1', GRPC_VERBOSITY: 'NONE' };
  const asShown = (sample: string, code = '') =>
    runProgram(PYTHON, [join(SAMPLES, sample), data, code, ...settings.tapgate], { cwd: root, env });
  outcomes = JSON.parse(await runProgram(PYTHON, [SCENARIO, JSON.stringify(settings)], { env })) as Outcomes;
  // Not beside the scenario, which switches PIN entry off for everyone.
  [printed, paid] = await Promise.all([asShown('tapgate_app.py', others[0]), asShown('tapgate_pay.py', others[1])]);
}, 240_000);

afterAll(async () => {
  await service?.stop();
  await rm(root, { recursive: true, force: true });
}, 60_000);

/** What a step that had to succeed tells. */
function told<Outcome = Told>(step: string): Outcome {
  const outcome = outcomes[step] ?? {};
  expect(outcome).toEqual({ value: expect.anything() });
  return outcome.value as Outcome;
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

  test('advances its registers as X9.24-3 has them, over skipped counters too', () => {
    const initialKey = SecretKey.ofOwned('AES', Buffer.from([...Array(16).keys()]));
    const id = InitialKeyId.parse(Buffer.from([...Array(8).keys()]));
    if (!id.ok) throw new Error(id.reason);
    const registers = DukptRegisters.load(initialKey, id.value);
    const shown = new Map(told<readonly string[]>('registers').map((row) => [row.slice(0, 24), row.slice(24)]));
    const expected = new Map<string, string>();
    for (;;) {
      const transaction = registers.advance();
      if (!transaction.ok || transaction.value.ksn.counter > 66_000) break;
      const ksn = transaction.value.ksn.toBytes().toString('hex');
      if (!shown.has(ksn)) continue;
      const key = transaction.value.workingKey('pinEncryption', 'AES128');
      if (key.ok)
        expected.set(
          ksn,
          key.value.use((bytes) => Buffer.from(bytes).toString('hex')),
        );
    }
    expect(shown.size).toBeGreaterThan(60);
    expect(shown).toEqual(expected);
  });

  test('pays with a PIN: approved, and the same intent gets the same receipt', () => {
    const [first, again] = told<readonly Readonly<Record<string, unknown>>[]>('pay with a PIN');
    expect(first).toMatchObject({
      pinBlock: 16,
      receipt: { decision: 'approved', order: 'with-pin', amount: '9900', pin: true },
    });
    expect(again?.receipt).toEqual(first?.receipt);
  });

  test('pays without a PIN', () => {
    expect(told<unknown>('pay without a PIN, after a report')).toMatchObject({
      told: 0,
      pinBlock: 0,
      receipt: { decision: 'approved', order: 'no-pin', amount: '1250', pin: false },
    });
  });

  test('reports while the customer thinks, and sends the block again whose answer was lost', () => {
    expect(told<unknown>('slow customer, and a lost answer')).toEqual({ looks: 3 });
  });

  test('hears that PIN entry is switched off, and gets none', () => {
    expect(told<unknown>('PIN switched off while a session is open')).toEqual({
      told: ['DIRECTIVE_KIND_PIN_OFF', 'PIN_OFF'],
      anew: [false],
    });
  });

  test('follows directives: new keys, a new token, new evidence, and pays after each', () => {
    expect(told<unknown>('directives followed')).toEqual({ rotated: true, anew: [true, true], paid: [true, true] });
  });

  test('cannot have another amount paid than it signed', () => {
    expect(told<unknown>('changed amount')).toEqual({ refused: ['INTENT_SIGNATURE_INVALID'] });
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

describe('the samples as the document runs them', () => {
  test('enrols and resumes', () => {
    expect(printed).toMatch(/^enrolled as [0-9a-f-]{36}\nresumed, token until \S+Z\n$/);
  });

  test('sign a payment', () => {
    expect(paid).toMatch(/^signed \d+ bytes for order-[0-9a-f]{8}\n$/);
  });
});

describe('it is refused, with a reason that it can read, for', () => {
  test.each([
    ['used invite without the device key', 'INVITE_INVALID', null],
    ['wrong challenge', 'CHALLENGE_MISMATCH', expect.any(Number)],
    ['wrong signature', 'EVIDENCE_SIGNATURE_INVALID', null],
    ['unlocked phone', 'BOOT_UNLOCKED', null],
    ['hooked phone', 'POSTURE_REFUSED', expect.any(Number)],
    ['window over the pad', 'PIN_ABORTED_OVERLAY', expect.any(Number)],
    ['amount over the limit', 'AMOUNT_OVER_LIMIT', null],
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
