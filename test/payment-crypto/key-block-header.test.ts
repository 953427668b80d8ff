import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { attributeDeviations } from '../../src/payment-crypto/key-block/attributes.ts';
import { formatKeyBlockHeader, parseKeyBlockHeader } from '../../src/payment-crypto/key-block/header.ts';
import {
  type OptionalContent,
  readOptionalContent,
  writeOptionalContent,
} from '../../src/payment-crypto/key-block/optional-content.ts';
import { formatUtc, parseUtc } from '../../src/payment-crypto/key-block/utc.ts';
import { accepted, ikid, reasonOf } from './support.ts';

const ATTRIBUTES = { usage: 'P0', algorithm: 'A', modeOfUse: 'E', keyVersion: '00', exportability: 'E' };

describe('headers', () => {
  test.each([
    ['', 'KEY_BLOCK_LENGTH'],
    ['D0144P0AE00E000', 'KEY_BLOCK_LENGTH'],
    ['F0144P0AE00E0000', 'KEY_BLOCK_VERSION'],
    ['D01x4P0AE00E0000', 'KEY_BLOCK_LENGTH'],
    ['D0144p0AE00E0000', 'KEY_BLOCK_ATTRIBUTE'],
    ['D0144P0 E00E0000', 'KEY_BLOCK_ATTRIBUTE'],
    ['D0144P0AE00EX000', 'OPTIONAL_BLOCK_COUNT'],
    ['D0144P0AE00E000~', 'KEY_BLOCK_CHARACTER'],
    ['D0144P0AE00E0100', 'OPTIONAL_BLOCK_ID'],
    ['D0144P0AE00E0100KS', 'OPTIONAL_BLOCK_LENGTH'],
    ['D0144P0AE00E0100KS03', 'OPTIONAL_BLOCK_LENGTH'],
    ['D0144P0AE00E0100KS1Y', 'OPTIONAL_BLOCK_LENGTH'],
    ['D0144P0AE00E0100KS06A', 'OPTIONAL_BLOCK_LENGTH'],
    ['D0144P0AE00E0100KS00', 'OPTIONAL_BLOCK_LENGTH'],
    ['D0144P0AE00E0100KS0002000A', 'OPTIONAL_BLOCK_LENGTH'],
    ['D0144P0AE00E0100KS00040009', 'OPTIONAL_BLOCK_LENGTH'],
    ['D0144P0AE00E0100KS00040FFF', 'OPTIONAL_BLOCK_LENGTH'],
    ['D0144P0AE00E0100KS05\u00ff', 'KEY_BLOCK_CHARACTER'],
    ['D0144P0AE00E0200LB04LB04', 'OPTIONAL_BLOCK_DUPLICATE'],
    ['D0144P0AE00E0200LB04??04', 'OPTIONAL_BLOCK_ID'],
  ])('%j is refused with %s', (text, reason) => {
    expect(reasonOf(parseKeyBlockHeader(text))).toBe(reason);
  });

  test('short and extended lengths are read alike', () => {
    const short = accepted(parseKeyBlockHeader('D0144P0AE00E0100LB09hello'));
    const extended = accepted(parseKeyBlockHeader('D0144P0AE00E0100LB0004000Fhello'));
    expect(short.optionalBlocks).toEqual(extended.optionalBlocks);
    expect([short.characters, extended.characters]).toEqual([25, 31]);
  });

  test('what is written is read again, filled up to whole blocks', () => {
    const printable = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
      maxLength: 300,
    });
    fc.assert(
      fc.property(printable, fc.constantFrom('B', 'D', 'E'), (content, version) => {
        const header = formatKeyBlockHeader(version, ATTRIBUTES, [{ id: 'LB', content }], 48, (n) => 'x'.repeat(n));
        const read = header.ok ? parseKeyBlockHeader(header.value) : header;
        const unit = version === 'B' ? 8 : 16;
        return (
          header.ok &&
          read.ok &&
          read.value.characters === header.value.length &&
          header.value.length % unit === 0 &&
          read.value.optionalBlocks[0]?.content === content &&
          read.value.optionalBlocks.length <= 2
        );
      }),
      { seed: 1 },
    );
  });

  test('more blocks than the header can count are refused', () => {
    const blocks = Array.from({ length: 100 }, (_, at) => ({ id: String(at).padStart(2, '0'), content: '' }));
    const header = formatKeyBlockHeader('B', ATTRIBUTES, blocks, 48, () => '');
    expect(reasonOf(header)).toBe('OPTIONAL_BLOCK_COUNT');
  });
});

describe('attributes', () => {
  test.each([
    ['P0', 'A', 'E', 'E', []],
    ['B1', 'A', 'X', 'E', []],
    ['B1', 'R', 'X', 'E', ['ALGORITHM_NOT_OF_USAGE']],
    ['K1', 'A', 'G', 'E', ['MODE_NOT_OF_USAGE']],
    ['ZZ', '0', '1', '2', ['UNKNOWN_KEY_USAGE', 'UNKNOWN_ALGORITHM', 'UNKNOWN_MODE_OF_USE', 'UNKNOWN_EXPORTABILITY']],
  ])('%s %s %s %s: %j', (usage, algorithm, modeOfUse, exportability, expected) => {
    expect(attributeDeviations({ usage, algorithm, modeOfUse, keyVersion: '00', exportability })).toEqual(expected);
  });
});

describe('optional blocks', () => {
  const contents: [OptionalContent, string][] = [
    [{ id: 'AL', life: 'ephemeral' }, '0100'],
    [{ id: 'AL', life: 'static' }, '0101'],
    [{ id: 'BI', dukpt: 'AES', bdkId: '12345678' }, '0112345678'],
    [{ id: 'BI', dukpt: 'TDES', bdkId: '0123456789' }, '000123456789'],
    [{ id: 'CT', format: 'X.509', body: 'MIID' }, '00MIID'],
    [{ id: 'CT', format: 'chain', body: '00MIID' }, '0200MIID'],
    [
      {
        id: 'DA',
        derivations: [
          { usage: 'P0', algorithm: 'T', modeOfUse: 'E', exportability: 'N' },
          { usage: 'D0', algorithm: 'A', modeOfUse: 'B', exportability: 'E' },
        ],
      },
      '01P0TEND0ABE',
    ],
    [{ id: 'FL', text: '00' }, '00'],
    [{ id: 'HM', hash: 'SHA-256' }, '21'],
    [{ id: 'IK', initialKeyId: ikid('1234567890123456') }, '1234567890123456'],
    [{ id: 'KC', method: 'cmac', value: '08793E25AB' }, '0108793E25AB'],
    [{ id: 'KP', method: 'legacy', value: 'CB9DEA' }, '00CB9DEA'],
    [{ id: 'PK', method: 'cmac', value: '08793E' }, '0108793E'],
    [{ id: 'KS', ksn: '00604B120F9292800000' }, '00604B120F9292800000'],
    [{ id: 'KV', text: '0000' }, '0000'],
    [{ id: 'LB', text: 'PIN key of zone 7' }, 'PIN key of zone 7'],
    [{ id: 'PB', text: '0000' }, '0000'],
    [{ id: 'TC', at: Date.UTC(2020, 7, 18, 22, 12, 18) }, '20200818221218Z'],
    [{ id: 'TS', at: Date.UTC(2020, 7, 18, 22, 12, 18) }, '20200818221218Z'],
    [{ id: 'WP', pedigree: 3 }, '003'],
  ];

  test.each(contents)('%j is %s, both ways', (content, text) => {
    expect(accepted(writeOptionalContent(content)).content).toBe(text);
    expect(accepted(readOptionalContent({ id: content.id, content: text }))).toEqual(content);
  });

  test.each([
    ['AL', '0102'],
    ['BI', '011234567'],
    ['CT', '03MIID'],
    ['CT', '00'],
    ['DA', '01'],
    ['DA', '01P0TE'],
    ['DA', `01${'P0TEN'.repeat(50)}`],
    ['HM', '99'],
    ['IK', '123456789012345'],
    ['IK', '123456789012345a'],
    ['KC', '0108793E25ABCD'],
    ['KC', '00CB9DEA11'],
    ['KC', '02CB9DEA'],
    ['KS', ''],
    ['TS', '20200230221218Z'],
    ['TS', '20200818221218'],
    ['WP', '004'],
    ['WP', '013'],
  ])('%s with %j cannot be read', (id, content) => {
    expect(reasonOf(readOptionalContent({ id, content }))).toBe('OPTIONAL_BLOCK_CONTENT');
  });

  test('proprietary blocks are kept apart, and so are the names of an object’s own members', () => {
    for (const id of ['10', 'ZZ', '__'])
      expect(reasonOf(readOptionalContent({ id, content: '' }))).toBe('OPTIONAL_BLOCK_ID');
  });

  test.each([
    ['20200818221218Z', Date.UTC(2020, 7, 18, 22, 12, 18)],
    ['2020081822121834Z', Date.UTC(2020, 7, 18, 22, 12, 18, 340)],
    ['2020-08-18T22:12:18Z', Date.UTC(2020, 7, 18, 22, 12, 18)],
    ['2020-08-18T22:12:18.34Z', Date.UTC(2020, 7, 18, 22, 12, 18, 340)],
    ['2020-08-18 22:12:18Z', undefined],
    ['20201318221218Z', undefined],
    ['20200818241218Z', undefined],
  ])('the time %s is read as %p', (text, at) => {
    expect(parseUtc(text)).toBe(at);
  });

  test('a time that is none is not written', () => {
    expect(formatUtc(Number.NaN)).toBe('');
    expect(reasonOf(writeOptionalContent({ id: 'TS', at: Number.POSITIVE_INFINITY }))).toBe('OPTIONAL_BLOCK_CONTENT');
  });
});
