import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { placeInFile, SealedRegisters } from '../../../src/virtual/phone/registers.ts';
import { SeededRandom } from '../../support/random.ts';

const PROGRAM = fileURLToPath(new URL('./programs/keep-advancing.ts', import.meta.url));
const random = new SeededRandom('killed phone');

/** Runs the phone until it has said so many counters, kills it, and answers the counters. */
async function runAndKill(path: string, key: Buffer, counters: number): Promise<number[]> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, path, key.toString('hex')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: number[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    said.push(Number(line));
    if (said.length === counters) child.kill('SIGKILL');
  });
  await Promise.all([once(child, 'exit'), once(lines, 'close')]);
  return said;
}

test('a phone that is killed over and over uses no counter twice, and loses few', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tapgate-killed-'));
  try {
    const path = join(folder, 'registers');
    const key = random.bytes(32);
    const used: number[] = [];
    for (const counters of [1, 2, 5, 9, 14]) {
      used.push(...(await runAndKill(path, key, counters)));
      const store = new SealedRegisters(SecretKey.ofOwned('AES', Buffer.from(key)), random, placeInFile(path));
      const { keys } = await store.load();
      expect(keys?.pin.nextKsn?.counter).toBeGreaterThan(used.at(-1) ?? 0);
    }
    expect(used).toEqual([...new Set(used)].toSorted((one, other) => one - other));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
