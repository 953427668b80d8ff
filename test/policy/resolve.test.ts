import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canaryPlace, type PolicySubject } from '../../src/policy/resolve.ts';
import { assigned, SEED, stateOf } from './support.ts';

const SHOP = { acquirer: 'acquirer-a', merchant: 'shop-1' };
/** By SEED this device's place is 2333: a canary of 23.34% has it, one of 23.33% has not. */
const DEVICE = '00000000-0000-4000-8000-000000000001';
const PLACE = canaryPlace(SEED, DEVICE);
const enrolled: PolicySubject = { ...SHOP, deviceId: DEVICE };

const share = (basisPoints: number): string => `canary:${basisPoints / 100}%`;
const withDefault = (...others: ReturnType<typeof assigned>[]) => [assigned('default', 'default'), ...others];
const everyone = assigned('canary:100%', 'canary', 2n);
const ofShop = assigned('merchant:acquirer-a/shop-1', 'shop', 3n);
const pilots = assigned('group:pilots', 'pilots', 4n);

describe('which version holds', () => {
  const MEMBER = { [DEVICE]: ['pilots'] };
  test.each<[string, ReturnType<typeof withDefault>, Record<string, string[]>, PolicySubject, string]>([
    ['the default, where nothing else is assigned', withDefault(), {}, enrolled, 'default'],
    ['the default for a phone that enrols', withDefault(), {}, { ...SHOP, deviceId: null }, 'default'],
    ['the canary for a device in it', withDefault(everyone), {}, enrolled, 'canary'],
    ['no canary for a phone that enrols', withDefault(everyone), {}, { ...SHOP, deviceId: null }, 'default'],
    ['the merchant before the canary', withDefault(everyone, ofShop), {}, enrolled, 'shop'],
    ['the merchant for a phone that enrols', withDefault(ofShop), {}, { ...SHOP, deviceId: null }, 'shop'],
    ['not another merchant', withDefault(ofShop), {}, { ...enrolled, merchant: 'shop-2' }, 'default'],
    [
      'not the same name at another acquirer',
      withDefault(ofShop),
      {},
      { ...enrolled, acquirer: 'acquirer-b' },
      'default',
    ],
    ['the group before all', withDefault(everyone, ofShop, pilots), MEMBER, enrolled, 'pilots'],
    ['no group for a device outside it', withDefault(pilots), {}, enrolled, 'default'],
    ['no group for a phone that enrols', withDefault(pilots), MEMBER, { ...SHOP, deviceId: null }, 'default'],
    ['no group that nothing is assigned to', withDefault(), MEMBER, enrolled, 'default'],
  ])('%s', (_what, active, groups, subject, name) => {
    expect(stateOf(active, [], groups).for(subject).document.name).toBe(name);
  });

  test.each<[bigint, bigint, string]>([
    [5n, 6n, 'later'],
    [6n, 5n, 'earlier'],
  ])('of two groups the one that was activated last (%s, %s)', (earlier, later, name) => {
    const groups = [assigned('group:a', 'earlier', earlier), assigned('group:b', 'later', later)];
    for (const order of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      expect(stateOf(withDefault(...groups), [], { [DEVICE]: order }).for(enrolled).document.name).toBe(name);
    }
  });

  test('a canary has the places below its share, and not the one at it', () => {
    const at = (basisPoints: number): string =>
      stateOf(withDefault(assigned(share(basisPoints), 'canary'))).for(enrolled).document.name;
    expect(at(PLACE)).toBe('default');
    expect(at(PLACE + 1)).toBe('canary');
  });

  test('a state without a default is none', () => {
    expect(() => stateOf([ofShop])).toThrow(RangeError);
  });

  test('it is total, and takes no notice of the order of assignments', () => {
    const scopes = ['canary:30%', 'merchant:acquirer-a/shop-1', 'group:a', 'group:b'];
    const subject = fc.record({
      deviceId: fc.option(fc.uuid()),
      acquirer: fc.constantFrom('acquirer-a', 'acquirer-b'),
      merchant: fc.constantFrom('shop-1', 'shop-2'),
    });
    fc.assert(
      fc.property(subject, fc.subarray(scopes), fc.subarray(['a', 'b', 'c']), (who, chosen, groups) => {
        const active = withDefault(...chosen.map((scope, index) => assigned(scope, scope, BigInt(index + 2))));
        const members = who.deviceId === null ? {} : { [who.deviceId]: groups };
        const { version } = stateOf(active, [], members).for(who);
        expect(active.map(({ policy }) => policy.version)).toContain(version);
        expect(stateOf([...active].reverse(), [], members).for(who).version).toBe(version);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe('the draw of a canary', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(canaryPlace(SEED, DEVICE)).toBe(PLACE);
    expect(PLACE).toBe(2333);
    expect(canaryPlace(Buffer.alloc(16, 8), DEVICE)).not.toBe(PLACE);
  });

  test('takes about its share of all devices', () => {
    const devices = Array.from({ length: 4000 }, (_, index) => `device-${index}`);
    const places = devices.map((device) => canaryPlace(SEED, device));
    expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...places)).toBeLessThan(10_000);
    const tenth = places.filter((place) => place < 1000).length;
    expect(tenth).toBeGreaterThan(340);
    expect(tenth).toBeLessThan(460);
  });

  test('a larger share keeps the devices of a smaller one', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ min: 1, max: 5000 }), (deviceId, basisPoints) => {
        const of = (points: number): string =>
          stateOf(withDefault(assigned(share(points), 'canary'))).for({ ...SHOP, deviceId }).document.name;
        if (of(basisPoints) === 'canary') expect(of(basisPoints + 1)).toBe('canary');
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe('the candidate that is watched', () => {
  test('is the most particular one, as what is in force is', () => {
    const shadow = [assigned('default', 'next'), assigned('merchant:acquirer-a/shop-1', 'next-shop', 2n)];
    const state = stateOf(withDefault(), shadow);
    expect(state.shadowFor(enrolled)?.version).toBe('v-next-shop');
    expect(state.shadowFor({ ...enrolled, merchant: 'shop-2' })?.version).toBe('v-next');
  });

  test('is none where none is assigned, or it is in force anyway', () => {
    expect(stateOf(withDefault()).shadowFor(enrolled)).toBeNull();
    expect(stateOf(withDefault(), [assigned('group:pilots', 'next')]).shadowFor(enrolled)).toBeNull();
    expect(stateOf(withDefault(), [assigned('default', 'default')]).shadowFor(enrolled)).toBeNull();
  });
});

describe('a state as a whole', () => {
  test('knows the groups of a device', () => {
    const state = stateOf(withDefault(pilots), [], { [DEVICE]: ['pilots'] });
    expect(state.groupsOf(DEVICE)).toEqual(['pilots']);
    expect(state.groupsOf('other')).toEqual([]);
    expect(state.groupsOf(null)).toEqual([]);
    expect(state.default().version).toBe('v-default');
    expect(state.active.groups).toEqual(['pilots']);
  });

  test('is named by its default while nothing else is assigned', () => {
    expect(stateOf(withDefault()).fingerprint()).toBe('v-default');
  });

  test.each<[string, ReturnType<typeof withDefault>]>([
    ['a version', withDefault(assigned('group:pilots', 'others'))],
    ['a scope', withDefault(assigned('group:others', 'pilots'))],
    ['one more', withDefault(pilots, ofShop)],
  ])('is named anew by %s', (_what, active) => {
    const before = stateOf(withDefault(pilots)).fingerprint();
    expect(before).toMatch(/^[0-9a-f]{16}$/);
    expect(stateOf(active).fingerprint()).not.toBe(before);
  });

  test('is named anew by the share of a canary', () => {
    const of = (scope: string) => stateOf(withDefault(assigned(scope, 'canary'))).fingerprint();
    expect(of('canary:1%')).not.toBe(of('canary:2%'));
  });

  test('is named the same in any order, and by the part that is asked for', () => {
    expect(stateOf([...withDefault(pilots, ofShop)].reverse()).fingerprint()).toBe(
      stateOf(withDefault(pilots, ofShop)).fingerprint(),
    );
    const byLimit = (name: string) => stateOf(withDefault(assigned('group:a', name))).fingerprint(({ limit }) => limit);
    expect(byLimit('one')).toBe(byLimit('two'));
  });
});
