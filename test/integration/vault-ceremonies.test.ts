import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import forge from 'node-forge';
import { keyCheckValue } from '../../src/payment-crypto/kcv.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { formatHostCredential } from '../../src/payment-crypto/tr34/credential.ts';
import { joinComponents, type KeyComponent } from '../../src/vault/keystore/components.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { deviceCertificate, host, hostAuthority, hostList } from '../payment-crypto/tr34/parties.ts';
import { random, unwrap } from '../vault/support/keystore.ts';
import { startWorld, vaultPid } from './support.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
/** A pipe that passes for a terminal: the ceremony asks at it. */
const AS_TERMINAL = ['--import', 'data:text/javascript,process.stdin.isTTY=true'];
const ENVIRONMENT = { ...process.env, NODE_OPTIONS: '' };
const ATTEMPTS = 100;

let world: World;
let end: () => Promise<void> = async () => {};
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'tapgate-ceremony-'));
  ({ world, end } = await startWorld());
}, 300_000);
afterAll(async () => {
  await end();
  await rm(scratch, { recursive: true, force: true });
}, 60_000);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  /** What the terminal showed. */
  readonly shown: string;
}

interface Slot {
  readonly slot: string;
  readonly state: string;
  readonly keyCheckValue: string;
  readonly bdkId: string;
  readonly enteredBy: string;
  readonly history: readonly { readonly by: string }[];
}

/** Holds a ceremony: each answer is typed once its question is there. */
async function ceremony(words: readonly string[], dialogue: readonly (readonly [string, string])[]): Promise<Ended> {
  const all = [...AS_TERMINAL, TAPGATE, ...words, '--data', world.folder.data];
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, all, { env: ENVIRONMENT });
  let out = '';
  let shown = '';
  const answers = [...dialogue];
  let from = 0;
  child.stdout.on('data', (part) => {
    out += String(part);
  });
  child.stderr.on('data', (part) => {
    shown += String(part);
    const [question, answer] = answers[0] ?? [];
    if (question === undefined || !shown.slice(from).includes(question)) return;
    from = shown.length;
    answers.shift();
    child.stdin.write(`${answer}\n`);
    // A pipe that is open would keep the process, which a terminal does not.
    if (answers.length === 0) child.stdin.end();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  expect(answers).toEqual([]);
  return { code, out, shown };
}

/** Runs a command that ends well, and reads its JSON lines. */
function json<T>(...words: string[]): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const all = [TAPGATE, ...words, '--data', world.folder.data, '--json'];
    execFile(process.execPath, all, { env: ENVIRONMENT }, (failed, out, error) => {
      if (failed !== null) reject(new Error(`${words.join(' ')}: ${error}`));
      else resolve(out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as T])));
    });
  });
}

const slotsOf = (kind: string): Promise<Slot[]> => json<Slot>('key', 'list', '--kind', kind);

/** A slot once the vault has taken it, after it was told to look. */
async function taken(kind: string, slot: string): Promise<Slot> {
  process.kill(vaultPid(world), 'SIGHUP');
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const found = (await slotsOf(kind)).find((one) => one.slot === slot);
    if (found !== undefined) return found;
    await sleep(100);
  }
  throw new Error(`${slot} is not listed`);
}

/** A component of a base derivation key: AES-128. */
function newComponent(): KeyComponent {
  const key = SecretKey.generate('AES', 128, random);
  const kcv = keyCheckValue(key).toString('hex').toUpperCase();
  const component = key.use((bytes) => Buffer.from(bytes).toString('hex').toUpperCase());
  key.wipe();
  return { component, kcv };
}

const custodian = (name: string, { component, kcv }: KeyComponent) =>
  [
    ['Your name: ', name],
    ['Component (hidden): ', component],
    ['Its check value: ', kcv],
    ['Press Enter', ''],
  ] as const;

const WORDS = ['vault', 'bdk', '--kind', 'bdk-pin', '--bdk-id', 'a1b2c3d4'];

test('two custodians enter a base derivation key at the terminal, and its check value is listed', async () => {
  const [one, two] = [newComponent(), newComponent()];
  const { key, kcv } = unwrap(joinComponents([one, two]));
  key.wipe();
  const held = await ceremony(WORDS, [
    ...custodian('Ann', one),
    ...custodian('Bob', two),
    ['Type the check value that the other side shows: ', kcv.slice(0, 6)],
  ]);
  expect(held.code).toBe(0);
  const [, slot = ''] = /^(bdk-pin-\S+) is prepared: check value (\S+)\./m.exec(held.out) ?? [];
  expect(held.out).toContain(`check value ${kcv}`);
  for (const { component } of [one, two]) expect(held.shown + held.out).not.toContain(component);
  expect(await taken('bdk-pin', slot)).toMatchObject({
    state: 'prepared',
    keyCheckValue: kcv,
    bdkId: 'A1B2C3D4',
    enteredBy: 'components',
    history: [{ by: 'ceremony: Ann, Bob' }],
  });
  const changed = await json<Slot>('key', 'activate', slot);
  expect(changed).toContainEqual(expect.objectContaining({ slot, state: 'active', keyCheckValue: kcv }));
}, 120_000);

test('a key of which the other side shows another check value is not entered', async () => {
  const before = await slotsOf('bdk-pin');
  const words = [...WORDS.slice(0, -1), 'a1b2c3d5'];
  const held = await ceremony(words, [
    ...custodian('Ann', newComponent()),
    ...custodian('Bob', newComponent()),
    ['Type the check value that the other side shows: ', '000000'],
  ]);
  expect(held).toMatchObject({ code: 2, out: '', shown: expect.stringContaining('Nothing was changed.') });
  process.kill(vaultPid(world), 'SIGHUP');
  expect(await slotsOf('bdk-pin')).toEqual(before);
}, 120_000);

test('an acquirer is bound for TR-34, and the binding is listed and answers', async () => {
  const subject = ['--acquirer', 'newcomer', '--role', 'device'];
  const out = join(scratch, 'request.pem');
  const [made] = await json<{ slot: string; request: string }>('vault', 'tr34', 'request', ...subject, '--out', out);
  expect(made?.request).toBe(out);
  const request = forge.pki.certificationRequestFromPem(await readFile(out, 'utf8'));
  expect(request.verify()).toBe(true);
  if (request.publicKey === null) throw new Error('a request has a key');
  const publicKey = createPublicKey(forge.pki.publicKeyToPem(request.publicKey));
  const lists = { thisUpdate: '20260101000000', nextUpdate: '20290101000000' };
  const papers = {
    certificate: deviceCertificate({ publicKey, serial: 0x52 }),
    peer: formatHostCredential(host.certificate, hostList(lists)),
    authority: hostAuthority.der,
  };
  const named: string[] = [];
  for (const [name, bytes] of Object.entries(papers)) {
    const file = join(scratch, `${name}.der`);
    await writeFile(file, bytes);
    named.push(`--${name}`, file);
  }
  const [bound] = await json<{ slot: string; own: string }>('vault', 'tr34', 'bind', ...subject, ...named);
  expect(bound).toMatchObject({ slot: made?.slot, own: expect.stringMatching(/^[0-9a-f]{64}$/) });
  const listed = await taken('tr34-device', made?.slot ?? '');
  expect(listed).toMatchObject({ state: 'active', keyCheckValue: expect.stringMatching(/^[0-9A-F]{6,}$/) });
  const token = join(scratch, 'random.der');
  await json('key', 'tr34', 'request', '--acquirer', 'newcomer', '--out', token);
  expect((await readFile(token)).length).toBeGreaterThan(0);
}, 120_000);
