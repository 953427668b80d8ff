import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));

test('a command whose reader has left ends as it would have', async () => {
  const flags = ['--disable-warning=ExperimentalWarning'];
  const work = ['tool', 'kcv', '--key', '0123456789ABCDEFFEDCBA9876543210', '--algorithm', 'TDES'];
  const child = spawn(process.execPath, [...flags, TAPGATE, ...work], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const told: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => told.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  expect({ code, told: Buffer.concat(told).toString() }).toEqual({ code: 0, told: '' });
});
