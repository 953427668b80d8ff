import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const RUN = fileURLToPath(new URL('../../bench/run.ts', import.meta.url));
const GROUPS = ['attestation', 'devices', 'gate', 'keys', 'leaks', 'sessions'];

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const bench = (...argv: readonly string[]): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(process.execPath, ['--disable-warning=ExperimentalWarning', RUN, ...argv], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

describe('the bench command', () => {
  test('explains itself and lists its groups', async () => {
    const { code, out, err } = await bench('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const group of GROUPS) expect(out).toContain(`\n  ${group} `);
  });

  test.each([[['warp']], [['constructor']], [['gate', 'attestation']], [['--fast']], [[]]])(
    'refuses %j with exit code 2 and the list of groups',
    async (argv) => {
      const { code, out, err } = await bench(...argv);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      for (const group of GROUPS) expect(err).toContain(`\n  ${group} `);
    },
  );
});
