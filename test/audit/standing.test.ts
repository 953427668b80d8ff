import { describe, expect, test } from '@jest/globals';
import { type AuditSight, SeenStanding } from '../../src/audit/standing.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START } from '../support/clock.ts';
import { ManualTime } from '../support/manual-time.ts';

const CHAINED: AuditSight = { oldestUnchained: null, unsignedSince: null, lastCheckpoint: null };

describe('the standing of the log', () => {
  const standingAfter = (sight: AuditSight | null, seconds: number) => {
    const time = new ManualTime();
    const standing = new SeenStanding(time, { forEntry: 30, forCheckpoint: 40 });
    if (sight !== null) standing.saw(sight, START);
    time.jump(seconds * 1000);
    return standing;
  };

  test.each<[string, AuditSight | null, number, 'AUDIT_BEHIND' | null]>([
    ['nothing was ever seen', null, 0, 'AUDIT_BEHIND'],
    ['all is chained', CHAINED, 0, null],
    ['the last look is as old as it may be', CHAINED, 30, null],
    ['the last look is too old', CHAINED, 30.001, 'AUDIT_BEHIND'],
    ['a row waits as long as it may', { ...CHAINED, oldestUnchained: secondsAfter(START, -30) }, 0, null],
    ['a row waits too long', { ...CHAINED, oldestUnchained: secondsAfter(START, -30.001) }, 0, 'AUDIT_BEHIND'],
    [
      'an entry waits for its signature as long as it may',
      { ...CHAINED, unsignedSince: secondsAfter(START, -40) },
      0,
      null,
    ],
    [
      'an entry waits too long for its signature',
      { ...CHAINED, unsignedSince: secondsAfter(START, -40.001) },
      0,
      'AUDIT_BEHIND',
    ],
    ['a row is dated ahead', { ...CHAINED, oldestUnchained: secondsAfter(START, 60) }, 0, null],
  ])('where %s', (_what, sight, seconds, expected) => {
    expect(standingAfter(sight, seconds).behind()).toBe(expected);
  });

  test('knows the last checkpoint', () => {
    const last = { number: 3n, hash: Buffer.alloc(32, 3) };
    expect(standingAfter(null, 0).lastCheckpoint()).toBeNull();
    expect(standingAfter({ ...CHAINED, lastCheckpoint: last }, 100).lastCheckpoint()).toBe(last);
  });
});
