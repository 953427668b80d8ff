import { describe, expect, test } from '@jest/globals';
import { LifeCommands } from './life-model/commands.ts';
import { live } from './life-model/run.ts';
import { LifeSetting } from './life-model/setting.ts';

/** Lives that are run, each with a seed and a database of its own. */
const RUNS = Number(process.env.TAPGATE_MODEL_RUNS ?? 1);
const COMMANDS = 250;

/** How exchanges of phones have to end now and then, for a life to say anything. */
const ENDINGS = [
  'given',
  'lost',
  'INVITE_INVALID',
  'DEVICE_SUSPENDED',
  'DEVICE_REVOKED',
  'ATTESTATION_REFUSED',
  'CHALLENGE_MISMATCH',
];

const seen = new Set<string>();

describe('the life of devices over two replicas, one PostgreSQL and one Redis', () => {
  test.each(Array.from({ length: RUNS }, (_, run) => [`life ${run + 1}`] as const))(
    '%s: every invariant holds after every command',
    async (seed) => {
      const setting = await LifeSetting.start(seed);
      try {
        const commands = new LifeCommands(setting, { phones: [], devices: new Map(), invites: new Map() });
        await live(commands, COMMANDS);
        for (const outcome of commands.outcomes) seen.add(outcome);
      } finally {
        await setting.stop();
      }
    },
    300_000,
  );

  test('has met every ending of an exchange', () => {
    expect([...seen].sort()).toEqual(expect.arrayContaining(ENDINGS));
  });
});
