import { describe, expect, test } from '@jest/globals';
import { everyOpenCall, Presence } from '../../src/sessions/presence.ts';
import { handleOf, phoneSubject } from '../support/subject.ts';

describe('the sessions that are open', () => {
  test('are one a phone: the newest ends the one before, whose leaving does not end the newest', () => {
    const presence = new Presence();
    const told: string[] = [];
    const leaveFirst = presence.enter(
      phoneSubject('phone'),
      handleOf((reason) => told.push(`first ${reason}`)),
    );
    const leaveSecond = presence.enter(
      phoneSubject('phone'),
      handleOf((reason) => told.push(`second ${reason}`)),
    );
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
    presence.enter(
      phoneSubject('one'),
      handleOf((reason) => told.push(`one ${reason}`)),
    );
    presence.enter(
      phoneSubject('two'),
      handleOf((reason) => told.push(`two ${reason}`)),
    );
    presence.end('two', 'DEVICE_SUSPENDED');
    presence.end('nobody', 'DEVICE_REVOKED');
    expect(told).toEqual(['two DEVICE_SUSPENDED']);
  });

  test('end at a revocation unless their phone has attested since', () => {
    const presence = new Presence();
    const told: string[] = [];
    const at = (seconds: number) => new Date(1_770_000_000_000 + seconds * 1000);
    presence.enter(
      phoneSubject('before'),
      handleOf((reason) => told.push(`before ${reason}`)),
      at(0),
    );
    presence.enter(
      phoneSubject('since'),
      handleOf((reason) => told.push(`since ${reason}`)),
      at(11),
    );
    presence.enter(
      phoneSubject('unknown'),
      handleOf((reason) => told.push(`unknown ${reason}`)),
    );
    for (const phone of ['before', 'since', 'unknown', 'nobody']) presence.endIssuedBy(phone, at(10), 'DEVICE_REVOKED');
    expect(told).toEqual(['before DEVICE_REVOKED', 'unknown DEVICE_REVOKED']);
  });

  test('end with what caused it, where the phone may know', () => {
    const presence = new Presence();
    const told: unknown[] = [];
    presence.enter(
      phoneSubject('one'),
      handleOf((...why) => told.push(why)),
    );
    presence.end('one', 'SESSION_ENDED', ['PATCH_TOO_OLD']);
    expect(told).toEqual([['SESSION_ENDED', ['PATCH_TOO_OLD']]]);
  });
});

describe('open calls that are picked by their phone', () => {
  const open = () => {
    const presence = new Presence();
    const told: unknown[] = [];
    for (const [id, merchant] of [
      ['one', 'shop-1'],
      ['two', 'shop-2'],
      ['three', 'shop-1'],
    ] as const) {
      const handle = {
        end: (...why: unknown[]) => told.push([id, ...why]),
        direct: (directive: unknown) => told.push([id, directive]),
      };
      presence.enter(phoneSubject(id, { merchant }), handle);
    }
    return { presence, told };
  };

  test('end with a reason and its cause, and are counted', () => {
    const { presence, told } = open();
    const ofShop = ({ merchant }: { readonly merchant: string }) => merchant === 'shop-1';
    expect(presence.countWhere(ofShop)).toBe(2);
    expect(presence.endWhere(ofShop, 'SESSION_ENDED', ['PATCH_TOO_OLD'])).toBe(2);
    expect(told).toEqual([
      ['one', 'SESSION_ENDED', ['PATCH_TOO_OLD']],
      ['three', 'SESSION_ENDED', ['PATCH_TOO_OLD']],
    ]);
    expect(presence.endWhere(() => false, 'SESSION_ENDED')).toBe(0);
  });

  test('are directed, and are counted', () => {
    const { presence, told } = open();
    const directive = { kind: 'pin-off' } as const;
    expect(presence.directWhere(({ deviceId }) => deviceId === 'two', directive)).toBe(1);
    expect(told).toEqual([['two', directive]]);
  });

  test('all end, even where each leaves as it is ended', () => {
    const presence = new Presence();
    const leaves: (() => void)[] = [];
    for (const id of ['one', 'two', 'three']) {
      const at = leaves.length;
      leaves.push(
        presence.enter(
          phoneSubject(id),
          handleOf(() => leaves[at]?.()),
        ),
      );
    }
    expect(presence.endWhere(() => true, 'SESSION_ENDED')).toBe(3);
    expect(presence.size).toBe(0);
  });

  test('of two kinds are reached as one', () => {
    const [sessions, entries] = [new Presence(), new Presence('PIN_ABORTED')];
    const told: string[] = [];
    sessions.enter(
      phoneSubject('one'),
      handleOf((reason) => told.push(`session ${reason}`)),
    );
    entries.enter(
      phoneSubject('one'),
      handleOf((reason) => told.push(`entry ${reason}`)),
    );
    const both = everyOpenCall([sessions, entries]);
    expect(both.countWhere(() => true)).toBe(2);
    both.end('one', 'DEVICE_REVOKED');
    both.endIssuedBy('one', new Date(), 'DEVICE_SUSPENDED');
    expect(both.endWhere(() => true, 'SESSION_ENDED')).toBe(2);
    expect(both.directWhere(() => true, { kind: 'pin-off' })).toBe(2);
    expect(told).toEqual(
      ['DEVICE_REVOKED', 'DEVICE_SUSPENDED', 'SESSION_ENDED'].flatMap((reason) => [
        `session ${reason}`,
        `entry ${reason}`,
      ]),
    );
    entries.enter(
      phoneSubject('one'),
      handleOf(() => {}),
    );
    expect(told.at(-1)).toBe('entry PIN_ABORTED');
  });
});
