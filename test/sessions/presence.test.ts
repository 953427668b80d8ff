import { describe, expect, test } from '@jest/globals';
import { Presence } from '../../src/sessions/presence.ts';

describe('the sessions that are open', () => {
  test('are one a phone: the newest ends the one before, whose leaving does not end the newest', () => {
    const presence = new Presence();
    const told: string[] = [];
    const leaveFirst = presence.enter('phone', (reason) => told.push(`first ${reason}`));
    const leaveSecond = presence.enter('phone', (reason) => told.push(`second ${reason}`));
    expect(told).toEqual(['first SESSION_UNKNOWN']);
    leaveFirst();
    expect(presence.size).toBe(1);
    presence.end('phone', 'DEVICE_REVOKED');
    expect(told).toEqual(['first SESSION_UNKNOWN', 'second DEVICE_REVOKED']);
    leaveSecond();
    leaveSecond();
    expect(presence.size).toBe(0);
  });

  test('end from outside by their phone only', () => {
    const presence = new Presence();
    const told: string[] = [];
    presence.enter('one', (reason) => told.push(`one ${reason}`));
    presence.enter('two', (reason) => told.push(`two ${reason}`));
    presence.end('two', 'DEVICE_SUSPENDED');
    presence.end('nobody', 'DEVICE_REVOKED');
    expect(told).toEqual(['two DEVICE_SUSPENDED']);
  });

  test('end at a revocation unless their phone has attested since', () => {
    const presence = new Presence();
    const told: string[] = [];
    const at = (seconds: number) => new Date(1_770_000_000_000 + seconds * 1000);
    presence.enter('before', (reason) => told.push(`before ${reason}`), at(0));
    presence.enter('since', (reason) => told.push(`since ${reason}`), at(11));
    presence.enter('unknown', (reason) => told.push(`unknown ${reason}`));
    for (const phone of ['before', 'since', 'unknown', 'nobody']) presence.endIssuedBy(phone, at(10), 'DEVICE_REVOKED');
    expect(told).toEqual(['before DEVICE_REVOKED', 'unknown DEVICE_REVOKED']);
  });

  test('end with what caused it, where the phone may know', () => {
    const presence = new Presence();
    const told: unknown[] = [];
    presence.enter('one', (...why) => told.push(why));
    presence.end('one', 'SESSION_ENDED', ['PATCH_TOO_OLD']);
    expect(told).toEqual([['SESSION_ENDED', ['PATCH_TOO_OLD']]]);
  });
});
