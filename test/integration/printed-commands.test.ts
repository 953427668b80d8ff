import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ServingChild, startServing } from '../../src/virtual/world/process.ts';
import { documentExamples, helpExamples, wordsOf } from '../cli/examples.ts';
import { TAPGATE } from './python/support.ts';

/** What is printed, run in this order on a new service. Words in capitals stand for something that the service named. */
const LINES = [
  'invite create --merchant courier-7',
  'phone run --amount 9900',
  'phone key --challenge 00ff --phone phone.json --json',
  'phone tap --amount 9900 --verification online-pin --json',
  'device list',
  'device show DEVICE',
  'policy list',
  'policy check candidate.yaml',
  'policy diff default candidate.yaml',
  'policy backtest --policy candidate.yaml --from 2026-01-01',
  'policy activate candidate.yaml --scope canary:5% --note "patch floor"',
  'policy withdraw --scope canary',
  'kill set --build com.example.pos=41-57 --reason "leaked signing key"',
  'kill set --all-pin --reason "overlay in the wild"',
  'kill list',
  'audit status',
  'audit keys',
  'audit verify',
  'key list',
  'key list --kind receipt',
  'revocation status',
  'config check',
  'device list --patch-below 2026-09',
  'device suspend DEVICE --cause "asked by the merchant"',
  'device reappraise',
  'device reappraise --list',
  'device revoke DEVICE --cause "reported lost"',
  'tool dukpt --bdk FEDCBA9876543210F1F1F1F1F1F1F1F1 --ksn 123456789012345600000003',
];

/** Commands that ask first; a test has no terminal to answer at. */
const ASKS = ['kill set', 'policy activate', 'policy withdraw'];

/** How long work shows itself where no terminal is: a line a step. */
const PROGRESS = /^- .*\n/gm;

let folder: string;
let data: string;
let service: ServingChild | null = null;
let device = '';

/** Runs a command line to its end: its code, and what it printed. */
function run(
  words: readonly string[],
): Promise<{ readonly code: unknown; readonly out: string; readonly error: string }> {
  const env = { ...process.env, NODE_OPTIONS: '', TAPGATE_DATA: data };
  return new Promise((resolve) => {
    execFile(process.execPath, [TAPGATE, ...words], { cwd: folder, env }, (failed, out, error) => {
      resolve({ code: failed === null ? 0 : failed.code, out, error: error.replace(PROGRESS, '') });
    }).stdin?.end();
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tapgate-printed-'));
  // The database runs under its own account where root starts the service, and has to reach its folder.
  await chmod(folder, 0o711);
  data = join(folder, 'data');
  const planes = ['DEVICE', 'PROCESSING', 'ADMIN', 'OPS'];
  service = await startServing([TAPGATE, 'serve', '--data', data, '--trust-virtual-phones', '--json'], {
    log: join(folder, 'service.log'),
    isReady: (line) => line.includes('"event":"ready"'),
    environment: Object.fromEntries(planes.map((plane) => [`TAPGATE_CONFIG_LISTENERS_${plane}_PORT`, '0'])),
  });
  await writeFile(join(folder, 'candidate.yaml'), (await run(['policy', 'show'])).out);
}, 180_000);

afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

describe('a printed command line runs', () => {
  const printed = new Set([...documentExamples(), ...helpExamples()].map(({ line }) => line));

  test.each(LINES)('tapgate %s', async (line) => {
    expect(printed).toContain(line);
    if (line.includes('DEVICE') && device === '') {
      const [row = ''] = (await run(['device', 'list', '--json'])).out.split('\n');
      device = (JSON.parse(row) as { readonly device: string }).device;
    }
    const words = wordsOf(line).map((word) => (word === 'DEVICE' ? device : word));
    const answered = ASKS.some((start) => line.startsWith(start)) ? [...words, '--yes'] : words;
    expect(await run(answered)).toMatchObject({ code: 0, error: '' });
  });
});
