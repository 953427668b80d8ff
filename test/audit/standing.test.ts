import { describe, expect, test } from '@jest/globals';
import { type AuditFault, type AuditSight, SeenStanding } from '../../src/audit/standing.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START, TestClock } from '../support/clock.ts';
import { ManualTime } from '../support/manual-time.ts';

const CHAINED: AuditSight = { oldestUnchained: null, unsignedSince: null, lastCheckpoint: null };

describe('the standing of the log', () => {
  const standingAfter = (sight: AuditSight | null, seconds: number) => {
    const time = new ManualTime();
    const standing = new SeenStanding(time, time.monotonic, { forEntry: 30, forCheckpoint: 40 });
    if (sight !== null) standing.saw(sight, standing.look());
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

  const name = (number: bigint, fill = Number(number)) => ({ number, hash: Buffer.alloc(32, fill) });
  test.each<[string, AuditSight['lastCheckpoint'], AuditSight['lastCheckpoint'], AuditFault | null]>([
    ['the first checkpoint was made', null, name(1n), null],
    ['the last checkpoint is the same', name(3n), name(3n), null],
    ['a later checkpoint was made', name(3n), name(5n), null],
    ['the number falls', name(3n), name(2n), 'AUDIT_LOG_REPLACED'],
    ['there is none any more', name(3n), null, 'AUDIT_LOG_REPLACED'],
    ['another one has the number', name(3n), name(3n, 9), 'AUDIT_LOG_REPLACED'],
  ])('where %s', (_what, before, after, expected) => {
    const standing = standingAfter({ ...CHAINED, lastCheckpoint: before }, 0);
    standing.saw({ ...CHAINED, lastCheckpoint: after }, standing.look());
    expect(standing.behind()).toBe(expected);
    standing.saw({ ...CHAINED, lastCheckpoint: name(7n) }, standing.look());
    expect(standing.behind()).toBe(expected);
  });

  test('is judged by a clock that is never set, too: a wall clock that is set back makes nothing younger', () => {
    const clock = new TestClock();
    let monotonic = 0;
    const standing = new SeenStanding(clock, () => monotonic, { forEntry: 30, forCheckpoint: 40 });
    standing.saw({ ...CHAINED, unsignedSince: secondsAfter(START, -20) }, standing.look());
    clock.set(secondsAfter(START, -3600));
    monotonic = 20_000;
    expect(standing.behind()).toBeNull();
    monotonic = 20_001;
    expect(standing.behind()).toBe('AUDIT_BEHIND');
    standing.saw(CHAINED, standing.look());
    monotonic += 30_001;
    expect(standing.behind()).toBe('AUDIT_BEHIND');
  });
});
