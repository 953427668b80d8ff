import { describe, expect, test } from '@jest/globals';
import { BaseKeyChange } from '../../src/jobs/base-keys.ts';
import type { BdksInUse } from '../../src/keys/use.ts';
import type { Directive } from '../../src/sessions/directive.ts';
import { Presence } from '../../src/sessions/presence.ts';
import { ManualTime } from '../support/manual-time.ts';
import { phoneSubject } from '../support/subject.ts';

const bdks = (pin: string): BdksInUse => ({
  pin: Buffer.from(pin, 'hex'),
  accountData: Buffer.from('000000aa', 'hex'),
});

/** Sessions of some devices, of which some rest on a key that drains; a timer that runs when told. */
function scene(devices: readonly string[], resting: ReadonlySet<string>) {
  const heard: [string, Directive][] = [];
  const presence = new Presence();
  for (const deviceId of devices) {
    presence.enter(phoneSubject(deviceId), { end: () => {}, direct: (directive) => heard.push([deviceId, directive]) });
  }
  const time = new ManualTime();
  const asked: { devices: readonly string[]; inUse: BdksInUse }[] = [];
  const outcomes: object[] = [];
  let inUse = bdks('00000001');
  let failing = false;
  const change = new BaseKeyChange({
    inUse: () => inUse,
    use: {
      keySetsOnDraining: async (of, keys) => {
        asked.push({ devices: of, inUse: keys });
        if (failing) throw new Error('away');
        return new Set(of.filter((device) => resting.has(device)));
      },
    },
    sessions: presence,
    clock: time,
    timer: time,
    onTold: (outcome) => outcomes.push(outcome),
  });
  change.start();
  return {
    change,
    heard,
    asked,
    outcomes,
    isWaiting: () => time.waiting > 0,
    rotate: (to: string) => {
      inUse = bdks(to);
    },
    fail: (does: boolean) => {
      failing = does;
    },
    tick: () => time.advance(1_000),
  };
}

describe('a base derivation key that comes into use', () => {
  test('is nobody’s concern while it stays the same', async () => {
    const { tick, asked, heard, isWaiting } = scene(['a'], new Set(['a']));
    await tick();
    await tick();
    expect([asked, heard]).toEqual([[], []]);
    expect(isWaiting()).toBe(true);
  });

  test('has exactly the sessions whose keys come from another one told, once', async () => {
    const { tick, rotate, heard, asked, outcomes } = scene(['a', 'b', 'c'], new Set(['a', 'c']));
    rotate('00000002');
    await tick();
    await tick();
    expect(asked).toEqual([{ devices: ['a', 'b', 'c'], inUse: bdks('00000002') }]);
    const directive = { kind: 'rotate-keys', detail: 'base derivation key' };
    expect(heard).toEqual([
      ['a', directive],
      ['c', directive],
    ]);
    expect(outcomes).toEqual([{ told: 2 }]);
  });

  test('is told again where the store did not answer', async () => {
    const { tick, rotate, fail, heard, outcomes } = scene(['a'], new Set(['a']));
    rotate('00000002');
    fail(true);
    await tick();
    expect(outcomes).toEqual([{ error: new Error('away') }]);
    fail(false);
    await tick();
    expect(heard).toHaveLength(1);
    expect(outcomes.slice(1)).toEqual([{ told: 1 }]);
  });

  test('is asked about a thousand devices at a time', async () => {
    const devices = Array.from({ length: 2_001 }, (_, index) => `device-${index}`);
    const { tick, rotate, asked, heard } = scene(devices, new Set(devices));
    rotate('00000002');
    await tick();
    expect(asked.map(({ devices: of }) => of.length)).toEqual([1_000, 1_000, 1]);
    expect(heard).toHaveLength(2_001);
  });

  test('is not waited for once it has been stopped', async () => {
    const { change, tick, rotate, asked, isWaiting } = scene(['a'], new Set(['a']));
    await change.stop();
    expect(isWaiting()).toBe(false);
    rotate('00000002');
    await tick();
    expect(asked).toEqual([]);
  });
});
