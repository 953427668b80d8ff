import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const RUN = fileURLToPath(new URL('./run.ts', import.meta.url));

function run(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [RUN, ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

describe('the command', () => {
  test('explains itself and lists its rooms', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Rooms: attestation, payment-crypto, /m);
  });

  test.each([
    [['cellar'], 'there is no room cellar'],
    [['attestation', 'cellar'], 'there is no room cellar'],
    [[], 'name at least one room'],
    [['attestation', '--at-least', '101'], '--at-least is from 0 to 100'],
    [['attestation', '--at-most', '1'], '--at-most'],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stdout).not.toContain('mutation score');
  });
});
