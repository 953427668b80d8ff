import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pageToken, readPageToken } from '../../src/devices/page-token.ts';
import {
  ANY_DEVICE,
  type DeviceFilter,
  type DeviceQuery,
  type DeviceSearch,
  findDevices,
  type ListedDevice,
} from '../../src/devices/search.ts';
import { START } from '../support/clock.ts';
import { uniqueId } from '../support/enrolled.ts';
import { ATTESTED } from '../support/facts.ts';
import { unwrap } from '../support/unwrap.ts';

const DEVICE: ListedDevice = {
  id: '6f1c2b3a-0000-4000-8000-000000000001',
  acquirer: 'acquirer-a',
  merchant: 'shop-1',
  standing: 'active',
  attested: { ...ATTESTED, osPatchLevel: 'unknown' },
  enrolledAt: START,
  attestedAt: START,
};

/** Answers as many devices as it is asked for, and keeps what it was asked. */
class EndlessSearch implements DeviceSearch {
  readonly asked: DeviceQuery[] = [];

  async find(query: DeviceQuery): Promise<readonly ListedDevice[]> {
    this.asked.push(query);
    return Array.from({ length: query.limit }, () => ({ ...DEVICE, id: uniqueId() }));
  }

  async listed(): Promise<ListedDevice | null> {
    return DEVICE;
  }
}

const find = (over: Partial<DeviceFilter> = {}, token = '', pageSize = 2, search = new EndlessSearch()) =>
  findDevices({ filter: { ...ANY_DEVICE, ...over }, pageSize, pageToken: token }, search);

const ORDERS: readonly [string, Partial<DeviceFilter>, unknown][] = [
  ['id', {}, ''],
  ['attestedAt', { attestedBefore: START }, START],
  ['osPatch', { osPatchBelow: 202_601 }, 0n],
  ['appVersion', { packageName: 'org.example', appVersionBelow: 9n }, 7n],
  ['merchant', { text: 'shop' }, 'shop-1'],
];

describe('a search of devices', () => {
  test.each(ORDERS)(
    'in the order of %s goes on after the last device of the page before',
    async (order, over, value) => {
      const search = new EndlessSearch();
      const first = unwrap(await find(over, '', 2, search));
      expect(first.devices).toHaveLength(2);
      unwrap(await find(over, first.nextPageToken, 2, search));
      const after = { value, id: first.devices[1]?.id };
      expect(search.asked).toMatchObject([
        { order, after: null, limit: 3 },
        { order, after },
      ]);
    },
  );

  test.each<[string, Partial<DeviceFilter>]>([
    ['acquirer', { acquirer: 'A B' }],
    ['merchant', { merchant: "' OR TRUE --" }],
    ['package_name', { packageName: 'org example' }],
    ['app_version_below: needs package_name', { appVersionBelow: 3n }],
    ['app_version_below', { packageName: 'org.example', appVersionBelow: -1n }],
    ['os_patch_below: YYYYMM', { osPatchBelow: 202_613 }],
    ['os_patch_below: YYYYMM', { osPatchBelow: 2026 }],
    ['security_level', { securityLevel: 'VERY_SAFE' }],
    ['attested_before', { attestedBefore: new Date(Number.NaN) }],
    ['text: the beginning of a merchant name or of a device id', { text: '%' }],
  ])('is refused with the name of the field: %s', async (detail, over) => {
    expect(await find(over)).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail });
  });

  test('is of 50 devices where nothing is said, and of 500 at most', async () => {
    const search = new EndlessSearch();
    await find({}, '', 0, search);
    await find({}, '', 4_000_000_000, search);
    expect(search.asked.map(({ limit }) => limit)).toEqual([51, 501]);
  });

  test.each([
    ['6f1c2b3a', '6f1c2b3a-0000-0000-0000-000000000000', '6f1c2b3a-ffff-ffff-ffff-ffffffffffff'],
    ['6f1c2b3a-0', '6f1c2b3a-0000-0000-0000-000000000000', '6f1c2b3a-0fff-ffff-ffff-ffffffffffff'],
    [DEVICE.id, DEVICE.id, DEVICE.id],
  ])('reads %s as the beginning of a device id', async (text, first, last) => {
    const search = new EndlessSearch();
    await find({ text }, '', 2, search);
    expect(search.asked[0]?.ids).toEqual({ first, last });
  });

  test.each(['6f1c2b3', '6f1c2b3g', '6f1c2b3a0', '6f1c2b3a-0000-40008', `${DEVICE.id}0`])(
    'reads %s as a merchant only',
    async (text) => {
      const search = new EndlessSearch();
      await find({ text }, '', 2, search);
      expect(search.asked[0]?.ids).toBeNull();
    },
  );
});

describe('a page token', () => {
  test.each(ORDERS)('of the order %s is refused for another filter', async (_order, over) => {
    const { nextPageToken } = unwrap(await find(over));
    expect(await find({ ...over, status: 'suspended' }, nextPageToken)).toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
  });

  test.each(ORDERS)('of the order %s is refused where one of its characters is another', async (_order, over) => {
    const { nextPageToken } = unwrap(await find(over));
    const changed = fc.record({
      at: fc.nat({ max: nextPageToken.length - 1 }),
      by: fc.constantFrom('A', 'z', '_', '=', ' '),
    });
    await fc.assert(
      fc.asyncProperty(changed, async ({ at, by }) => {
        fc.pre(nextPageToken[at] !== by);
        const token = nextPageToken.slice(0, at) + by + nextPageToken.slice(at + 1);
        const found = await find(over, token);
        // Another id or value of the right form is another place in the same list, and no more than that.
        expect(found.ok || found.reason === 'PAGE_TOKEN_INVALID').toBe(true);
      }),
      { seed: 5, numRuns: 100 },
    );
  });

  test('is refused whatever else it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1, maxLength: 600 }), async (token) => {
        expect(await find({}, token)).toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
      }),
      { seed: 6, numRuns: 200 },
    );
  });

  test.each<[string, DeviceFilter, readonly string[]]>([
    ['no id', ANY_DEVICE, ['', 'no-uuid']],
    ['a value that this order lacks', ANY_DEVICE, ['7', DEVICE.id]],
  ])('is refused where it names %s', async (_what, filter, key) => {
    const scope = ['devices', '', '', '', '', '', '', '', '', ''];
    expect(unwrap(await find({}, pageToken(scope, ['', DEVICE.id]))).devices).toHaveLength(2);
    expect(await find(filter, pageToken(scope, key))).toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
  });

  test('gives its key back in its own scope and nowhere else', () => {
    const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 10 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(texts, texts, texts, (scope, other, key) => {
        const token = pageToken(scope, key);
        expect(readPageToken(token, scope, key.length)).toEqual({ ok: true, value: key });
        if (JSON.stringify(scope) !== JSON.stringify(other)) {
          expect(readPageToken(token, other, key.length)).toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
        }
        expect(readPageToken(token, scope, key.length + 1)).toMatchObject({ reason: 'PAGE_TOKEN_INVALID' });
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});
