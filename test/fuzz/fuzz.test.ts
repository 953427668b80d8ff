import { describe, expect, test } from '@jest/globals';
import type { Finding } from './engine/problem.ts';
import { fuzz, replay } from './supervise.ts';

const RUNS = 100_000;

async function findings(reader: string, { runs = RUNS, seed = 1, stallMilliseconds = 20_000 } = {}) {
  const found: (Finding & { readonly prepared: string })[] = [];
  const summary = await fuzz(
    { target: 'control', readers: [reader], runs, seed, stallMilliseconds },
    { found: (finding, prepared) => found.push({ ...finding, prepared }) },
  );
  return { found, summary };
}

describe('a planted bug is found', () => {
  test('a crash behind four bytes, each of which is a branch', async () => {
    const { found, summary } = await findings('crash');
    expect(found).toMatchObject([{ kind: 'threw', reader: 'crash', message: 'planted crash' }]);
    expect(Buffer.from(found[0]!.input).toString('hex')).toMatch(/^54479f.*1d$/);
    expect(summary).toMatchObject({ runs: RUNS });
    expect(summary.branches).toBeGreaterThan(0);
  });

  test('an answer that must never be given', async () => {
    const { found } = await findings('invariant');
    expect(found).toMatchObject([{ kind: 'broken-invariant' }]);
  });

  test('a run of more than 50 ms', async () => {
    const { found } = await findings('slow', { runs: 50_000 });
    expect(found).toMatchObject([{ kind: 'slow' }]);
  });

  test('a run that never ends', async () => {
    const { found, summary } = await findings('endless', { stallMilliseconds: 2000 });
    expect(found).toMatchObject([{ kind: 'stalled' }]);
    expect(Buffer.from(found[0]!.input).toString('latin1')).toMatch(/^EE/);
    expect(found[0]!.run).toBe(summary.runs);
  });

  test('memory without bounds', async () => {
    const { found } = await findings('hoard');
    expect(found).toMatchObject([{ kind: 'memory' }]);
    expect(found[0]!.input[0]).toBe(0x4d);
  });
});

describe('a run', () => {
  test('is the same with the same seed, and another one with another', async () => {
    const first = await findings('invariant', { seed: 7 });
    const second = await findings('invariant', { seed: 7 });
    const other = await findings('invariant', { seed: 8 });
    expect(second).toEqual(first);
    expect([other.found[0]?.run, other.summary]).not.toEqual([first.found[0]?.run, first.summary]);
  });

  test('of a target or a reader that does not exist is refused', async () => {
    const listener = { found: () => undefined };
    await expect(fuzz({ target: 'nothing', runs: 1, seed: 1 }, listener)).rejects.toThrow('no target "nothing"');
    await expect(fuzz({ target: 'control', readers: ['x'], runs: 1, seed: 1 }, listener)).rejects.toThrow(
      'no reader "x"',
    );
  });

  test('without an accepted seed is refused: it would see nothing but refusals', async () => {
    await expect(findings('deaf', { runs: 10 })).rejects.toThrow('no seed of deaf is accepted');
  });
});

describe('a finding', () => {
  test('is one again when its input is replayed, and no other input is', async () => {
    const { found } = await findings('invariant');
    const { input, prepared } = found[0]!;
    const task = { target: 'control', reader: 'invariant', prepared };
    expect(await replay({ ...task, input })).toMatchObject({ kind: 'broken-invariant' });
    expect(await replay({ ...task, input: Buffer.from('honest') })).toBeNull();
  });

  test('that never ends does not end its replay', async () => {
    const task = { target: 'control', reader: 'endless', prepared: '', stallMilliseconds: 2000 };
    expect(await replay({ ...task, input: Buffer.from('EE') })).toMatchObject({ kind: 'stalled' });
  });
});
