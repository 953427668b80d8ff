import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { snapshotOptions, takeHeapSnapshot } from './heap-snapshot.ts';
import { ACCOUNT, secretsOfCard } from './known.ts';
import { describeOnLinux } from './linux.ts';
import { PIECE, Scanner, type Source } from './scanner.ts';
import { formsOf, type Secret } from './secret.ts';
import { bytesSource, memorySources } from './sources.ts';

const HOLDER = fileURLToPath(new URL('./programs/holder.ts', import.meta.url));

describeOnLinux('the scanner', () => {
  const planted: Secret = { name: 'planted', bytes: Buffer.from('e59b1fc07a3dfbef42d6880e91ff3c6a', 'hex') };
  const ofCard = secretsOfCard(ACCOUNT);
  const scanner = new Scanner([planted]);
  let folder: string;
  let holder: ChildProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tapgate-holder-'));
    holder = spawn(process.execPath, [...snapshotOptions(folder), HOLDER], { stdio: ['pipe', 'pipe', 'inherit'] });
    for (const { bytes } of [planted, ...ofCard]) {
      holder.stdin?.write(`${Buffer.from(bytes.map((byte) => byte ^ 0xff)).toString('base64')}\n`);
      if (holder.stdout !== null) await once(holder.stdout, 'data');
    }
  });

  afterAll(async () => {
    holder.kill('SIGTERM');
    await once(holder, 'exit');
    await rm(folder, { recursive: true, force: true });
  });

  /** The forms in which the planted value was found, without the places. */
  const formsIn = (sources: Iterable<Source>): string[] =>
    scanner.look(sources).found.map((one) => one.replace(/^planted as (.+) in .+$/, '$1'));

  test('finds bytes and every text of them in the memory of a process that holds them', () => {
    expect(formsIn(memorySources(holder.pid ?? 0))).toEqual(
      expect.arrayContaining(['bytes', 'hex', 'base64 at 0', 'numbers', 'hex in UTF-16']),
    );
  });

  test.each(ofCard.map((secret) => [secret.name, secret] as const))('finds there: %s', (name, secret) => {
    const { found } = new Scanner([secret]).look(memorySources(holder.pid ?? 0));
    for (const form of ['bytes', 'hex', 'numbers'])
      expect(found.some((one) => one.startsWith(`${name} as ${form} in `))).toBe(true);
  });

  test('finds the strings in its heap snapshot, where contents of buffers are not', async () => {
    const answers = async (): Promise<void> => {
      holder.stdin?.write('\n');
      if (holder.stdout !== null) await once(holder.stdout, 'data');
    };
    expect(formsIn(await takeHeapSnapshot(holder.pid ?? 0, folder, answers))).toEqual(
      expect.arrayContaining(['hex', 'base64 at 0', 'numbers']),
    );
  });

  test.each(formsOf(planted).map((form) => [form.form, form] as const))(
    'finds %s at the first, the last and any other byte, and across pieces',
    (name, { needle }) => {
      const { length } = needle;
      const total = PIECE + 100_000;
      for (const at of [0, 4095, PIECE - 3, PIECE - length, PIECE, total - length]) {
        const bytes = Buffer.alloc(total, at % 2 === 0 ? 0 : 0x41);
        needle.copy(bytes, at);
        expect(formsIn([bytesSource('bytes', bytes)])).toContain(name);
      }
    },
  );

  test('finds nothing where all but the last byte is there', () => {
    const bytes = Buffer.from(planted.bytes);
    bytes.writeUInt8(bytes.readUInt8(15) ^ 1, 15);
    expect(scanner.look([bytesSource('bytes', bytes)]).found).toEqual([]);
  });
});
