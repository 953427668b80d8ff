import { describe, expect, test } from '@jest/globals';
import { differenceOf, Shadow, type ShadowVerdict } from '../../src/policy/shadow.ts';
import { assigned, type Named, stateOf } from './support.ts';

const refused = (...reasons: string[]): ShadowVerdict => ({ reasons });
const allowed = (terms?: string): ShadowVerdict => (terms === undefined ? { reasons: [] } : { reasons: [], terms });

describe('how a candidate differs', () => {
  test.each<[string, ShadowVerdict, ShadowVerdict, ReturnType<typeof differenceOf>]>([
    ['both allow', allowed(), allowed(), null],
    ['both allow on the same terms', allowed('none'), allowed('none'), null],
    ['on other terms', allowed('none'), allowed('online-pin'), { outcome: 'other-terms', rule: 'online-pin' }],
    ['on no terms', allowed('none'), allowed(), { outcome: 'other-terms', rule: '' }],
    ['it would refuse', allowed('none'), refused('A', 'B'), { outcome: 'would-refuse', rule: 'A' }],
    ['it would allow', refused('A', 'B'), allowed('none'), { outcome: 'would-allow', rule: 'A' }],
    ['both refuse alike', refused('A'), refused('A', 'B'), null],
    ['both refuse, otherwise', refused('A', 'B'), refused('B', 'A'), { outcome: 'other-reason', rule: 'B' }],
  ])('%s', (_what, active, candidate, difference) => {
    expect(differenceOf(active, candidate)).toEqual(difference);
  });
});

const PHONE = { deviceId: 'phone-1', acquirer: 'acquirer-a', merchant: 'shop-1' };
const STATE = stateOf([assigned('default', 'now')], [assigned('default', 'next')]);

function shadowOf(state = STATE) {
  const told: string[] = [];
  const shadow = new Shadow<Named>({ state: () => state }, (point, outcome) => told.push(`${point} ${outcome}`));
  return { shadow, told };
}

/** Refuses under the candidate. */
const judge = ({ document }: { readonly document: Named }): ShadowVerdict =>
  document.name === 'next' ? refused('PATCH_TOO_OLD') : allowed();

describe('a shadow', () => {
  test('counts differences by kind, each phone once, and answers them once', () => {
    const { shadow, told } = shadowOf();
    shadow.compare('grant', PHONE, judge);
    shadow.compare('grant', PHONE, judge);
    shadow.compare('grant', { ...PHONE, deviceId: 'phone-2' }, judge);
    shadow.compare('attestation', { ...PHONE, deviceId: null }, judge);
    const kind = { candidate: 'v-next', outcome: 'would-refuse', rule: 'PATCH_TOO_OLD' };
    expect(shadow.take()).toEqual([
      { ...kind, point: 'grant', times: 3, phones: ['phone-1', 'phone-2'] },
      { ...kind, point: 'attestation', times: 1, phones: [] },
    ]);
    expect(shadow.take()).toEqual([]);
    expect(told).toEqual([...Array(3).fill('grant would-refuse'), 'attestation would-refuse']);
    expect(shadow.compared()).toEqual([
      { candidate: 'v-next', point: 'grant', times: 3 },
      { candidate: 'v-next', point: 'attestation', times: 1 },
    ]);
  });

  test('counts what was compared where nothing differs', () => {
    const { shadow, told } = shadowOf();
    shadow.compare('pin', PHONE, () => allowed());
    expect(shadow.take()).toEqual([]);
    expect(told).toEqual([]);
    expect(shadow.compared()).toEqual([{ candidate: 'v-next', point: 'pin', times: 1 }]);
  });

  test('does not judge where no candidate is', () => {
    const { shadow } = shadowOf(stateOf([assigned('default', 'now')]));
    shadow.compare('grant', PHONE, () => {
      throw new Error('not to be asked');
    });
    expect(shadow.take()).toEqual([]);
    expect(shadow.compared()).toEqual([]);
  });

  test('what goes wrong in it is a count and reaches nobody', () => {
    const { shadow } = shadowOf();
    shadow.compare('payment', PHONE, () => {
      throw new Error('a bug in a rule');
    });
    expect(shadow.take()).toMatchObject([{ point: 'payment', outcome: 'failed', rule: '', times: 1 }]);
    const broken = new Shadow<Named>({
      state: () => {
        throw new Error('no state');
      },
    });
    expect(() => broken.compare('grant', PHONE, judge)).not.toThrow();
    expect(broken.take()).toEqual([]);
  });

  test('is bounded in phones and in kinds', () => {
    const { shadow } = shadowOf();
    for (let phone = 0; phone < 1001; phone += 1) {
      shadow.compare('grant', { ...PHONE, deviceId: `phone-${phone}` }, judge);
    }
    for (let kind = 0; kind < 1001; kind += 1) {
      shadow.compare('pin', PHONE, ({ document }) => (document.name === 'next' ? refused(`R${kind}`) : allowed()));
    }
    const counts = shadow.take();
    expect(counts).toHaveLength(1000);
    expect(counts[0]).toMatchObject({ point: 'grant', times: 1001 });
    expect(counts[0]?.phones).toHaveLength(1000);
  });
});
