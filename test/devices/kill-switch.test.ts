import { describe, expect, test } from '@jest/globals';
import {
  asksForAttested,
  checkedKill,
  isHit,
  type KillSelector,
  type KillSubject,
} from '../../src/devices/kill-switch.ts';

const ID = '6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b';
const SIGNER = 'ab'.repeat(32);
const KEY = 'cd'.repeat(32);

const PHONE: KillSubject = {
  deviceId: ID,
  acquirer: 'acme',
  merchant: 'shop',
  application: { packageName: 'org.example.pos', versionCode: 41, signers: [SIGNER, 'ee'.repeat(32)] },
  osPatchLevel: 202605,
  attestationKeys: [KEY, '01'.repeat(32)],
};

const build = (fromVersion: number, toVersion: number, signer: string | null = null, packageName = 'org.example.pos') =>
  ({ kind: 'build', packageName, fromVersion, toVersion, signer }) satisfies KillSelector;
const below = (level: number) => ({ kind: 'os-patch-below', level }) satisfies KillSelector;
const patch = (level: number) => ({ kind: 'os-patch', level }) satisfies KillSelector;

describe('a switch hits a phone', () => {
  const cases: readonly (readonly [string, KillSelector, Partial<KillSubject>, boolean])[] = [
    ['by its device', { kind: 'device', deviceId: ID }, {}, true],
    ['not by another device', { kind: 'device', deviceId: ID.replace('6', '7') }, {}, false],
    ['by acquirer and merchant', { kind: 'merchant', acquirer: 'acme', merchant: 'shop' }, {}, true],
    ['not by the merchant of another acquirer', { kind: 'merchant', acquirer: 'zen', merchant: 'shop' }, {}, false],
    ['not by another merchant', { kind: 'merchant', acquirer: 'acme', merchant: 'shop2' }, {}, false],
    ['by its acquirer', { kind: 'acquirer', acquirer: 'acme' }, {}, true],
    ['not by another acquirer', { kind: 'acquirer', acquirer: 'Acme' }, {}, false],
    ['by the very build', build(41, 41), {}, true],
    ['at the lower end of a range', build(41, 50), {}, true],
    ['at the upper end of a range', build(1, 41), {}, true],
    ['not below a range', build(42, 50), {}, false],
    ['not above a range', build(1, 40), {}, false],
    ['not by another package', build(41, 41, null, 'org.example.pos2'), {}, false],
    ['by build and first signer', build(41, 41, SIGNER), {}, true],
    ['by build and second signer', build(41, 41, 'ee'.repeat(32)), {}, true],
    ['not by another signer', build(41, 41, 'ff'.repeat(32)), {}, false],
    ['not by a build where no application is attested', build(0, 99), { application: null }, false],
    ['by its first attestation key', { kind: 'attestation-key', keyId: KEY }, {}, true],
    ['by its second attestation key', { kind: 'attestation-key', keyId: '01'.repeat(32) }, {}, true],
    ['not by another attestation key', { kind: 'attestation-key', keyId: '02'.repeat(32) }, {}, false],
    ['whoever it is', { kind: 'everyone' }, {}, true],
    ['below the next month', below(202606), {}, true],
    ['not below its own month', below(202605), {}, false],
    ['not below the month before', below(202604), {}, false],
    ['below any month where it states none', below(202001), { osPatchLevel: null }, true],
    ['below a day of its month, which it does not state', below(20260501), {}, true],
    ['not below a day of the month before', below(20260431), {}, false],
    ['below a month by its day', below(202606), { osPatchLevel: 20260531 }, true],
    ['not below the month of its day', below(202605), { osPatchLevel: 20260501 }, false],
    ['below the next day', below(20260506), { osPatchLevel: 20260505 }, true],
    ['not below its own day', below(20260505), { osPatchLevel: 20260505 }, false],
    ['by its month', patch(202605), {}, true],
    ['not by another month', patch(202604), {}, false],
    ['by the month of its day', patch(202605), { osPatchLevel: 20260531 }, true],
    ['by its day', patch(20260505), { osPatchLevel: 20260505 }, true],
    ['not by another day', patch(20260505), { osPatchLevel: 20260506 }, false],
    ['not by a day where it states a month', patch(20260501), {}, false],
    ['not by a month where it states none', patch(202605), { osPatchLevel: null }, false],
  ];

  test.each(cases)('%s', (_name, selector, over, hit) => {
    expect(isHit(selector, { ...PHONE, ...over })).toBe(hit);
  });
});

describe('a selector from outside', () => {
  const HASH_IN_CAPITALS = 'AB'.repeat(32);
  const accepted: readonly (readonly [string, KillSelector, KillSelector])[] = [
    ['a device', { kind: 'device', deviceId: ID }, { kind: 'device', deviceId: ID }],
    [
      'a hash in capitals',
      { kind: 'attestation-key', keyId: HASH_IN_CAPITALS },
      { kind: 'attestation-key', keyId: SIGNER },
    ],
    ['a signer in capitals', build(1, 1, HASH_IN_CAPITALS), build(1, 1, SIGNER)],
    ['versions from 0 to the highest', build(0, Number.MAX_SAFE_INTEGER), build(0, Number.MAX_SAFE_INTEGER)],
    [
      'the longest name',
      { kind: 'acquirer', acquirer: 'a'.repeat(255) },
      { kind: 'acquirer', acquirer: 'a'.repeat(255) },
    ],
    [
      'a merchant',
      { kind: 'merchant', acquirer: 'a', merchant: 'm' },
      { kind: 'merchant', acquirer: 'a', merchant: 'm' },
    ],
    ['the first month', below(200001), below(200001)],
    ['the last month', patch(209912), patch(209912)],
    ['the first day', below(20000101), below(20000101)],
    ['the last day', patch(20991231), patch(20991231)],
  ];

  test.each(accepted)('%s is taken', (_name, given, taken) => {
    expect(checkedKill(given, 'everything')).toEqual({ ok: true, value: taken });
  });

  const refused: readonly (readonly [string, KillSelector, string])[] = [
    ['a device that is no UUID', { kind: 'device', deviceId: 'x' }, 'device_id'],
    ['a merchant without acquirer', { kind: 'merchant', acquirer: '', merchant: 'm' }, 'acquirer'],
    ['a merchant without name', { kind: 'merchant', acquirer: 'a', merchant: '' }, 'merchant'],
    ['an acquirer of 256 characters', { kind: 'acquirer', acquirer: 'a'.repeat(256) }, 'acquirer'],
    ['an acquirer with a control character', { kind: 'acquirer', acquirer: 'a\u0000' }, 'acquirer'],
    ['an acquirer of half a character', { kind: 'acquirer', acquirer: '\ud800' }, 'acquirer'],
    ['a build without a package', build(1, 1, null, ''), 'package_name'],
    ['a range that is none', build(2, 1), 'versions: from 0 up'],
    ['a version below 0', build(-1, 1), 'versions: from 0 up'],
    ['a version that is no integer', build(0.5, 1), 'versions: from 0 up'],
    ['a version beyond what is exact', build(0, Number.MAX_SAFE_INTEGER + 1), 'versions: from 0 up'],
    ['a signer of 63 digits', build(1, 1, SIGNER.slice(1)), 'signer'],
    ['an empty signer', build(1, 1, ''), 'signer'],
    ['a key of 65 digits', { kind: 'attestation-key', keyId: `${KEY}a` }, 'attestation_key'],
    ['a key that is no hex', { kind: 'attestation-key', keyId: 'g'.repeat(64) }, 'attestation_key'],
    ['a month before 2000', below(199912), 'patch level: YYYYMM or YYYYMMDD'],
    ['a month after 2099', patch(210001), 'patch level: YYYYMM or YYYYMMDD'],
    ['a month 0', patch(202600), 'patch level: YYYYMM or YYYYMMDD'],
    ['a month 13', below(202613), 'patch level: YYYYMM or YYYYMMDD'],
    ['a day 0', below(20260100), 'patch level: YYYYMM or YYYYMMDD'],
    ['a day 32', patch(20260132), 'patch level: YYYYMM or YYYYMMDD'],
    ['a day of month 13', patch(20261301), 'patch level: YYYYMM or YYYYMMDD'],
    ['a fraction', patch(202601.5), 'patch level: YYYYMM or YYYYMMDD'],
    ['nine digits', patch(202601011), 'patch level: YYYYMM or YYYYMMDD'],
    ['everyone, for everything', { kind: 'everyone' }, 'everyone: for PIN entry only'],
  ];

  test.each(refused)('%s is refused', (_name, selector, detail) => {
    expect(checkedKill(selector, 'everything')).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail });
  });

  test('everyone is taken for PIN entry', () => {
    expect(checkedKill({ kind: 'everyone' }, 'pin')).toEqual({ ok: true, value: { kind: 'everyone' } });
  });
});

test.each<readonly [KillSelector, boolean]>([
  [{ kind: 'device', deviceId: ID }, false],
  [{ kind: 'merchant', acquirer: 'a', merchant: 'm' }, false],
  [{ kind: 'acquirer', acquirer: 'a' }, false],
  [{ kind: 'everyone' }, false],
  [build(1, 1), true],
  [{ kind: 'attestation-key', keyId: KEY }, true],
  [below(202601), true],
  [patch(202601), true],
])('whether %o asks for what was attested: %p', (selector, asks) => {
  expect(asksForAttested(selector)).toBe(asks);
});
