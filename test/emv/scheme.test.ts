import { describe, expect, test } from '@jest/globals';
import { panFitsApplication } from '../../src/emv/brand.ts';
import { type Scheme, schemeOf, selectedScheme } from '../../src/emv/scheme.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const digits = (text: string): Uint8Array => Uint8Array.from(text, Number);

const NAMES: readonly (readonly [Scheme, string])[] = [
  ['visa', 'a0000000031010'],
  ['visa', 'a0000000032010'],
  ['mastercard', 'a0000000041010'],
  ['mastercard', 'a0000000043060'],
  ['american-express', 'a00000002501'],
  ['jcb', 'a0000000651010'],
  ['discover', 'a0000001523010'],
  ['unionpay', 'a000000333010101'],
  ['mir', 'a0000006581010'],
];

describe('the scheme of an application', () => {
  test.each(NAMES)('%s: %s', (scheme, name) => {
    expect(schemeOf(hex(name))).toBe(scheme);
    expect(selectedScheme(new Map([['84', hex(name)]]))).toEqual({ ok: true, value: scheme });
  });

  test.each(['a0000000', 'a0000002771010', 'a0000000421010', '0000000000', ''])('is unknown: "%s"', (name) => {
    expect(schemeOf(hex(name))).toBeNull();
    expect(selectedScheme(new Map([['84', hex(name)]]))).toMatchObject({ reason: 'EMV_SCHEME_UNKNOWN' });
  });

  test.each([
    ['4F', 'a0000000041010', true],
    ['4F', 'a000000004', true],
    ['9F06', 'a00000000410', true],
    ['9F06', 'a0000000031010', false],
    ['4F', 'a000000004101002', false],
  ])('is refused where %s names another: %s', (tag, name, same) => {
    const icc = new Map([
      ['84', hex('a0000000041010')],
      [tag, hex(name)],
    ]);
    expect(selectedScheme(icc)).toMatchObject(same ? { ok: true } : { reason: 'EMV_CONTRADICTORY', detail: tag });
  });

  test('is refused without a DF name', () => {
    expect(selectedScheme(new Map())).toMatchObject({ reason: 'EMV_TAG_MISSING', detail: '84' });
  });
});

describe('a PAN and the application of its card', () => {
  const fits = (name: string, pan: string): boolean => {
    const scheme = schemeOf(hex(name));
    return scheme !== null && panFitsApplication(scheme, hex(name), digits(pan));
  };

  test.each([
    ['a0000000031010', ['400000', '499999', '4111111111111111'], ['399999', '500000', '222100']],
    [
      'a0000000041010',
      ['510000', '559999', '222100', '272099'],
      ['509999', '560000', '222099', '272100', '411111', '676770'],
    ],
    ['a0000000043060', ['500000', '509999', '560000', '589999', '676770'], ['510000', '559999', '590000', '700000']],
    ['a000000004306001', ['676770'], ['541333']],
    [
      'a0000000042203',
      ['501800', '639000', '510000', '541333', '559999', '222100', '272099'],
      ['222099', '272100', '411111', '590000', '700000'],
    ],
    ['a00000002501', ['340000', '349999', '370000', '379999'], ['339999', '350000', '369999', '380000']],
    ['a0000000651010', ['352800', '358999'], ['352799', '359000']],
    [
      'a0000001523010',
      ['601100', '601199', '644000', '659999', '622126', '622925', '300000', '305999', '309500', '360000', '399999'],
      ['601200', '643999', '660000', '622125', '622926', '306000', '309600', '352800', '370000'],
    ],
    ['a000000333010101', ['620000', '629999', '810000', '817199'], ['619999', '630000', '809999', '817200', '411111']],
    ['a0000006581010', ['220000', '220499'], ['219999', '220500', '222100']],
  ])('%s', (name, own, foreign) => {
    expect(own.filter((pan) => !fits(name, `${pan}0000000000`))).toEqual([]);
    expect(foreign.filter((pan) => fits(name, `${pan}0000000000`))).toEqual([]);
  });

  test('a PAN without six digits fits nothing', () => {
    expect(fits('a0000000031010', '41111')).toBe(false);
    expect(fits('a0000000031010', '411111')).toBe(true);
  });
});
