import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { IccData } from '../../src/emv/elements.ts';
import type { Scheme } from '../../src/emv/scheme.ts';
import { type CardVerification, cardVerification, signsDeviceClaim } from '../../src/emv/verification.ts';

const hexed = (elements: Readonly<Record<string, string>>): IccData =>
  new Map(Object.entries(elements).map(([tag, value]) => [tag, Buffer.from(value, 'hex')]));

const PLAIN = { 82: '1980', 95: '0000008000', '9F33': '004808', '9F34': '1f0302' };
const QUALIFIED = { ...PLAIN, 95: '0000000000', '9F66': '24c04000', '9F6C': '0000' };

type Row = readonly [string, Readonly<Record<string, string>>, CardVerification | 'contradictory'];

const said = (scheme: Scheme, icc: Readonly<Record<string, string>>): string => {
  const claimed = cardVerification(hexed(icc), scheme);
  return claimed.ok ? claimed.value : claimed.reason === 'EMV_CONTRADICTORY' ? 'contradictory' : claimed.reason;
};

const PIN = { '9F34': '420300', 95: '0000048000' };
const DEVICE = { '9F34': '010002', 82: '1b80' };

describe('CVM results of a Mastercard', () => {
  test.each<Row>([
    ['no verification required', {}, 'none'],
    ['none performed', { '9F34': '3f0002' }, 'none'],
    ['none performed, and failed', { '9F34': '3f0001' }, 'incomplete'],
    ['an online PIN', PIN, 'online-pin'],
    ['an online PIN without a fallback', { ...PIN, '9F34': '020300' }, 'online-pin'],
    ['an online PIN that failed', { ...PIN, '9F34': '420301', 95: '0000008000' }, 'incomplete'],
    ['an online PIN that the terminal did not note', { ...PIN, 95: '0000008000' }, 'contradictory'],
    ['a PIN that only the terminal noted', { 95: '0000048000' }, 'contradictory'],
    ['a PIN that was entered and was not', { ...PIN, 95: '00000c8000' }, 'contradictory'],
    ['a PIN at a terminal that takes none', { ...PIN, '9F33': '000808' }, 'contradictory'],
    ['a PIN that was asked for and not entered', { 95: '0000088000' }, 'incomplete'],
    ['a PIN that no pad was there for', { 95: '0000108000' }, 'incomplete'],
    ['a verification that failed', { 95: '0000808000' }, 'incomplete'],
    ['a device', DEVICE, 'device'],
    ['a device where the application has none', { '9F34': '010002' }, 'contradictory'],
    ['a device where the application has none, and a failure', { '9F34': '010002', 95: '0000808000' }, 'contradictory'],
    ['a device that did not succeed', { ...DEVICE, '9F34': '010000' }, 'contradictory'],
    ['a device that failed', { ...DEVICE, '9F34': '010001' }, 'incomplete'],
    ['a device and a PIN', { ...DEVICE, 95: '0000048000' }, 'contradictory'],
    ['a device, and a failed verification', { ...DEVICE, 95: '0000808000' }, 'incomplete'],
    ['a signature', { '9F34': '1e0302' }, 'incomplete'],
    ['an offline PIN in clear, with a signature', { '9F34': '030302' }, 'incomplete'],
    ['an enciphered offline PIN', { '9F34': '040302' }, 'incomplete'],
    ['a failed verification', { '9F34': '000001' }, 'incomplete'],
    ['a method that is not assigned', { '9F34': '200302' }, 'incomplete'],
  ])('%s', (_, elements, expected) => {
    expect(said('mastercard', { ...PLAIN, ...elements })).toBe(expected);
  });
});

describe('CVM results of other schemes', () => {
  test.each<Scheme>(['american-express', 'jcb', 'discover', 'mir'])('%s: a device counts for nothing', (scheme) => {
    expect(said(scheme, { ...PLAIN, ...DEVICE })).toBe('incomplete');
    expect(said(scheme, { ...PLAIN, ...PIN })).toBe('online-pin');
    expect(said(scheme, PLAIN)).toBe('none');
  });

  test('an online PIN need be noted with American Express only', () => {
    const unnoted = { ...PLAIN, '9F34': '420300' };
    expect(said('american-express', unnoted)).toBe('contradictory');
    expect(['jcb', 'discover', 'mir'].map((scheme) => said(scheme as Scheme, unnoted))).toEqual(
      Array.from({ length: 3 }, () => 'online-pin'),
    );
  });
});

describe.each<Scheme>(['visa', 'unionpay'])('qualifiers of %s', (scheme) => {
  test.each<Row>([
    ['nothing required', { '9F66': '24804000' }, 'none'],
    ['nothing required, whatever the card would have', { '9F66': '24804000', '9F6C': '8080' }, 'none'],
    ['required, and the card has nothing', {}, 'incomplete'],
    ['required, and a signature', { '9F6C': '4000' }, 'incomplete'],
    ['an online PIN', { '9F6C': '8000' }, 'online-pin'],
    ['an online PIN before the device', { '9F6C': '8080' }, 'online-pin'],
    ['an online PIN that the terminal does not support', { '9F66': '20c04000', '9F6C': '8000' }, 'incomplete'],
    ['a PIN that the terminal does not support, else a device', { '9F66': '20c04000', '9F6C': '8080' }, 'device'],
    ['a device', { '9F6C': '0080' }, 'device'],
    ['a device, and CVM results of a PIN', { '9F6C': '0080', '9F34': '420300' }, 'contradictory'],
    ['nothing required, and CVM results of a PIN', { '9F66': '24804000', '9F34': '020300' }, 'contradictory'],
    ['nothing required, and CVM results of a device', { '9F66': '24804000', '9F34': '010002' }, 'contradictory'],
    ['a device, and CVM results of one', { '9F6C': '0080', '9F34': '010002' }, 'device'],
    ['an online PIN, and CVM results of one', { '9F6C': '8000', '9F34': '420300' }, 'online-pin'],
    ['a PIN that only the terminal noted', { '9F6C': '0080', 95: '0000040000' }, 'contradictory'],
    ['a PIN at a terminal that takes none', { '9F6C': '8000', '9F33': '000808' }, 'contradictory'],
    ['a failed verification', { '9F6C': '0080', 95: '0000800000' }, 'incomplete'],
  ])('%s', (_, elements, expected) => {
    expect(said(scheme, { ...QUALIFIED, ...elements })).toBe(expected);
  });

  test('that the card did not give ask for a PIN where the terminal requires a verification', () => {
    const { '9F6C': _, ...without } = QUALIFIED;
    expect(said(scheme, without)).toBe('incomplete');
    expect(said(scheme, { ...without, '9F66': '24804000' })).toBe('none');
  });
});

test('a device is claimed under the cryptogram by Mastercard alone', () => {
  const schemes: readonly Scheme[] = ['visa', 'mastercard', 'american-express', 'jcb', 'discover', 'unionpay', 'mir'];
  expect(schemes.filter(signsDeviceClaim)).toEqual(['mastercard']);
});

test('any bytes make a claim or a contradiction, and never a device without its sign', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const icc = fc.record({
    82: bytes(2),
    95: bytes(5),
    '9F33': bytes(3),
    '9F34': bytes(3),
    '9F66': bytes(4),
    '9F6C': bytes(2),
  });
  const schemes = fc.constantFrom<Scheme>(
    'visa',
    'mastercard',
    'american-express',
    'jcb',
    'discover',
    'unionpay',
    'mir',
  );
  fc.assert(
    fc.property(icc, schemes, (elements, scheme) => {
      const claimed = cardVerification(new Map(Object.entries(elements)), scheme);
      if (!claimed.ok) expect(claimed.reason).toBe('EMV_CONTRADICTORY');
      else if (claimed.value === 'device') {
        const sign = scheme === 'mastercard' ? elements[82][0]! & 0x02 : elements['9F6C'][1]! & 0x80;
        expect(sign).not.toBe(0);
        expect(['visa', 'unionpay', 'mastercard']).toContain(scheme);
      }
    }),
    { seed: 7, numRuns: 3000 },
  );
});
