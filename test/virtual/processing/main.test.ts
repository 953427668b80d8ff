import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PaymentOutcome } from '../../../src/gen/tapgate/reference/v1/processing_service.ts';
import { refusalMessage } from '../../../src/wire/refusal.ts';
import { statusOf } from '../../../src/wire/status.ts';
import { configure, GateServer, ProcessingProcess, prepare } from './support/process.ts';
import { type Folder, type Submitted, submit } from './support/shop.ts';
import { random } from './support/zone.ts';

let folder: Folder;
let gate: GateServer;
let processing: ProcessingProcess;
let orders = 0;

function newSubmission(over: Partial<Parameters<typeof submit>[0]> = {}): Submitted {
  orders += 1;
  const submission = submit({ order: `main-${orders}`, ...over });
  gate.register(submission);
  return submission;
}

async function restart(): Promise<void> {
  processing = await ProcessingProcess.start(folder, configure(folder, gate.port));
}

beforeAll(async () => {
  folder = await prepare();
  gate = new GateServer(folder.path);
  await gate.listen();
  await restart();
});

afterAll(async () => {
  expect(await processing.end('SIGTERM')).toBe(0);
  gate.close();
  folder[Symbol.dispose]();
});

describe('the process', () => {
  test('pays, answers the same again, and lists what it paid', async () => {
    const submission = newSubmission({ pin: '1234' });
    const first = await processing.submit(submission);
    expect(first).toMatchObject({ outcome: PaymentOutcome.PAID, refusal: undefined });
    expect(await processing.submit(submission)).toEqual(first);
    const entries = await processing.ledger();
    expect(entries.find(({ order }) => order === `main-${orders}`)).toMatchObject({
      merchant: 'corner-shop',
      amountMinor: 1_250n,
      currency: 978,
      pinVerified: true,
    });
  });

  test('tells the phone of a refusal what a phone may know', async () => {
    gate.answer = () => ({
      outcome: {
        $case: 'refused',
        value: { refusal: refusalMessage('partner', ['APP_SIGNER_NOT_ALLOWED', 'CVM_REQUIRED']), receipt: '' },
      },
    });
    const answer = await processing.submit(newSubmission());
    expect(answer.outcome).toBe(PaymentOutcome.REFUSED);
    expect(answer.refusal?.reasons.map(({ code }) => code)).toEqual(['ATTESTATION_REFUSED', 'CVM_REQUIRED']);
  });

  test('ends an approval whose account data is given no more, and tells why', async () => {
    gate.answer = () => ({
      outcome: {
        $case: 'approved',
        value: {
          receipt: 'receipt',
          accountData: undefined,
          pinBlock: undefined,
          pinLost: false,
          accountDataLost: refusalMessage('partner', ['BASE_KEY_COMPROMISED']),
        },
      },
    });
    const answer = await processing.submit(newSubmission());
    expect(answer.outcome).toBe(PaymentOutcome.DECLINED);
    expect(answer.refusal?.reasons.map(({ code }) => code)).toEqual(['BASE_KEY_COMPROMISED']);
  });

  test.each<[string, Parameters<typeof answerWith>[0]]>([
    ['unavailable', 'unavailable'],
    ['nothing in time', 'nothing'],
    ['nothing known', 'empty'],
    ['that processing is not known to it', 'denied'],
    ['with another status', 'status'],
  ])('is unavailable when the gate answers %s, and pays later', async (_, kind) => {
    const submission = newSubmission();
    answerWith(kind);
    expect(await processing.submit(submission)).toMatchObject({
      outcome: PaymentOutcome.UNAVAILABLE,
      balanceMinor: 0n,
    });
    answerWith('approved');
    expect(await processing.submit(submission)).toMatchObject({ outcome: PaymentOutcome.PAID });
  });

  const APPROVED = new GateServer('').answer;
  function answerWith(kind: 'approved' | 'unavailable' | 'nothing' | 'empty' | 'denied' | 'status'): void {
    const value = { refusal: refusalMessage('partner', ['VAULT_UNAVAILABLE']), retryAfterMilliseconds: 1 };
    const told = { audience: 'partner', random } as const;
    const answers = {
      approved: APPROVED,
      unavailable: () => ({ outcome: { $case: 'unavailable', value } }) as const,
      nothing: () => null,
      empty: () => ({ outcome: undefined }),
      denied: () => statusOf(['ROLE_NOT_ALLOWED'], told),
      status: () => ({ code: status.INTERNAL, details: 'fault' }),
    };
    gate.answer = answers[kind];
  }

  test('is unavailable while the gate is down, and pays once it is back', async () => {
    answerWith('approved');
    const submission = newSubmission();
    const { port } = gate;
    gate.close();
    expect(await processing.submit(submission)).toMatchObject({ outcome: PaymentOutcome.UNAVAILABLE });
    gate = new GateServer(folder.path);
    gate.register(submission);
    await gate.listen(port);
    // The channel waits before it connects again: every answer until then is unavailable, none is refused.
    const deadline = Date.now() + 20_000;
    let answer = await processing.submit(submission);
    while (answer.outcome === PaymentOutcome.UNAVAILABLE && Date.now() < deadline) {
      answer = await processing.submit(submission);
    }
    expect(answer.outcome).toBe(PaymentOutcome.PAID);
  });

  test('killed in the middle of many payments, it pays each once in the end', async () => {
    answerWith('approved');
    const before = new Map((await processing.ledger()).map(({ order }) => [order, 1]));
    const submissions = Array.from({ length: 60 }, () => newSubmission());
    const told: string[] = [];
    let answered = 0;
    const killed = Promise.withResolvers<void>();
    const attempts = submissions.map(async (submission) => {
      const answer = await processing.submit(submission);
      told.push(answer.receipt);
      answered += 1;
      if (answered === 20) killed.resolve(processing.end('SIGKILL').then(() => {}));
    });
    const results = await Promise.allSettled(attempts);
    await killed.promise;
    expect(results.some(({ status: settled }) => settled === 'rejected')).toBe(true);
    await restart();
    const answers = await Promise.all(submissions.map((submission) => processing.submit(submission)));
    expect(answers.map(({ outcome }) => outcome)).toEqual(submissions.map(() => PaymentOutcome.PAID));
    const receipts = new Set(answers.map(({ receipt }) => receipt));
    expect(told.filter((receipt) => !receipts.has(receipt))).toEqual([]);
    const entries = await processing.ledger();
    expect(entries).toHaveLength(before.size + submissions.length);
    const sum = entries.reduce((total, { amountMinor }) => total + amountMinor, 0n);
    const { balanceMinor } = await processing.submit(submissions[0]!);
    expect(balanceMinor).toBe(sum);
  });

  test('refuses what is malformed or too large', async () => {
    const good = newSubmission();
    const noToken = await processing.submit({ ...good, deviceToken: '' });
    expect(noToken).toMatchObject({ outcome: PaymentOutcome.REFUSED });
    const longKey = await processing.submit({ ...good, sessionKey: Buffer.alloc(257) });
    expect(longKey.refusal?.reasons.map(({ code }) => code)).toEqual(['MALFORMED_MESSAGE']);
    const large = processing.submit({ ...good, deviceToken: 'x'.repeat(40_000) });
    await expect(large).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });

  test('speaks TLS 1.3 only', async () => {
    const [host = '', port = ''] = processing.address.split(':');
    const ca = readFileSync(folder.at('device/ca.crt'));
    const socket = connect({ host, port: Number(port), ca, servername: 'localhost', maxVersion: 'TLSv1.2' });
    const code = await new Promise((resolve) => {
      socket.once('secureConnect', () => resolve('connected'));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    socket.destroy();
    expect(code).toMatch(/PROTOCOL_VERSION/);
  });
});

describe('what it does not start with', () => {
  const MAIN = fileURLToPath(new URL('../../../src/virtual/processing/main.ts', import.meta.url));
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
      env: {},
      timeout: 20_000,
      encoding: 'utf8',
    });

  test.each<[string, (config: Folder) => string, RegExp]>([
    ['no configuration', () => '/nowhere/config.json', /config\.json: FILE_UNREADABLE/],
    ['a configuration with an unknown member', (at) => configure(at, 1, { more: 1 }), /unrecognized_keys/],
    [
      'a port that is none',
      (at) => configure(at, 1, { listen: { port: -1, certificate: 'a', key: 'b' } }),
      /listen\.port/,
    ],
    ['a master key that others may read', openMasterKey, /issuer\.hex: FILE_OPEN_TO_OTHERS/],
    [
      'one component',
      (at) => configure(at, 1, { zone: { file: 'zone.json', components: ['component-0.hex'] } }),
      /zone/,
    ],
    ['accounts that are none', badAccounts, /accounts\.json: 0\.pan/],
  ])('%s', async (_, config, message) => {
    using own = await prepare();
    const { status: code, stderr, stdout } = run(config(own));
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test('no argument', () => {
    expect(run()).toMatchObject({ status: 1, stderr: expect.stringMatching(/^usage: /) });
  });

  function openMasterKey(own: Folder): string {
    chmodSync(own.at('issuer.hex'), 0o644);
    return configure(own, 1);
  }
  function badAccounts(own: Folder): string {
    const account = { scheme: 'visa', pan: '4111111111111112', expiry: '4912', sequenceNumber: 1, pin: '1234' };
    writeFileSync(own.at('accounts.json'), JSON.stringify([account]), { mode: 0o600 });
    return configure(own, 1, { issuer: { masterKey: 'issuer.hex', accounts: 'accounts.json' } });
  }
});
