import { describe, expect, test } from '@jest/globals';
import { type OpenCallHandle, Presence } from '../../src/sessions/presence.ts';
import { phoneSubject } from '../support/subject.ts';

function recorded(name: string, said: string[]): OpenCallHandle {
  return {
    end: (reason) => said.push(`${name} ended ${reason}`),
    direct: ({ kind, reason }) => said.push(`${name} ${kind} ${reason}`),
  };
}

describe('open calls that are told first', () => {
  test('are all told to stop before the first of them ends, and no other call is', () => {
    const said: string[] = [];
    const presence = new Presence('SESSION_UNKNOWN', true);
    for (const name of ['a', 'b', 'c']) presence.enter(phoneSubject(name), recorded(name, said));
    const matches = ({ deviceId }: { readonly deviceId: string }) => deviceId !== 'b';
    expect(presence.endWhere(matches, 'DEVICE_BLOCKED')).toBe(2);
    expect(said).toEqual([
      'a suspend DEVICE_BLOCKED',
      'c suspend DEVICE_BLOCKED',
      'a ended DEVICE_BLOCKED',
      'c ended DEVICE_BLOCKED',
    ]);
  });

  test('one call alone ends without a word before', () => {
    const said: string[] = [];
    const presence = new Presence('SESSION_UNKNOWN', true);
    presence.enter(phoneSubject('a'), recorded('a', said));
    presence.end('a', 'DEVICE_REVOKED');
    expect(said).toEqual(['a ended DEVICE_REVOKED']);
  });

  test('calls that are not told first only end', () => {
    const said: string[] = [];
    const presence = new Presence();
    presence.enter(phoneSubject('a'), recorded('a', said));
    expect(presence.endWhere(() => true, 'DEVICE_BLOCKED')).toBe(1);
    expect(said).toEqual(['a ended DEVICE_BLOCKED']);
  });
});
