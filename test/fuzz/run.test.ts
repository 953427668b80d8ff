import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';

const RUN = fileURLToPath(new URL('./run.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [RUN, ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

describe('the command', () => {
  test('explains itself', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    for (const target of ['der', 'tlv', 'intent', 'receipt', 'keyblock', 'tr34', 'token'])
      expect(stdout).toMatch(new RegExp(`^  ${target} `, 'm'));
  });

  test.each([
    [['nothing']],
    [[]],
    [['der', 'tlv']],
    [['der', '--runs', '0']],
    [['der', '--runs', 'x']],
    [['der', '--speed']],
  ])('refuses %j', async (args) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: npm run fuzz');
  });

  test('fails with findings, keeps them in files and replays them', async () => {
    const found = await run(
      'control',
      '--reader',
      'invariant',
      '--runs',
      '100000',
      '--seed',
      '1',
      '--findings',
      folder,
    );
    expect(found.code).toBe(1);
    expect(found.stdout.trim().split('\n').at(-1)).toMatch(
      /^fuzz: control 100000 runs, seed 1, \d+ branches, 1 findings$/,
    );
    const [file, ...others] = readdirSync(folder);
    expect(others).toEqual([]);
    const replayed = await run('--replay', join(folder, file!));
    expect(replayed.code).toBe(1);
    expect(replayed.stdout).toContain('replay: control invariant: broken-invariant');
  });

  test.each([['tlv'], ['intent'], ['receipt'], ['token'], ['der'], ['keyblock'], ['tr34']])(
    'fuzzes %s',
    async (target) => {
      const { code, stdout } = await run(target, '--runs', '2000', '--seed', '3', '--findings', folder);
      expect(stdout.trim().split('\n').at(-1)).toMatch(
        new RegExp(`^fuzz: ${target} 2000 runs, seed 3, [1-9]\\d* branches, 0 findings$`),
      );
      expect(code).toBe(0);
    },
  );
});
