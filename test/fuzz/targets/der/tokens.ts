import { oidContent } from '../../../../src/encoding/der-oid.ts';
import { elementBytes } from '../../engine/elements.ts';

const oid = (dotted: string): Buffer => elementBytes(Uint8Array.of(0x06), oidContent(dotted));

const high = (number: number): Buffer =>
  number < 0x1f
    ? Buffer.of(0xa0 + number)
    : number < 0x80
      ? Buffer.of(0xbf, number)
      : Buffer.of(0xbf, 0x80 | (number >> 7), number & 0x7f);

const AUTHORIZATIONS = [
  1, 2, 3, 4, 5, 6, 7, 8, 10, 200, 303, 305, 502, 503, 600, 701, 702, 704, 705, 706, 709, 710, 714, 716, 717, 718, 719,
  720, 723, 724, 900,
];

/** What DER, certificates and key descriptions are made of. */
export const DER_TOKENS: readonly Uint8Array[] = [
  ...['1.3.6.1.4.1.11129.2.1.17', '1.3.6.1.4.1.11129.2.1.30', '2.5.29.15', '2.5.29.19', '2.5.29.31', '2.5.29.17'].map(
    oid,
  ),
  ...['1.2.840.10045.2.1', '1.2.840.10045.3.1.7', '1.3.132.0.34', '1.3.132.0.35', '1.3.132.0.33'].map(oid),
  ...['1.2.840.113549.1.1.1', '1.2.840.113549.1.1.11', '1.2.840.113549.1.1.13', '1.2.840.10045.4.3.2'].map(oid),
  ...['1.2.840.10045.4.3.4', '1.3.101.112', '1.3.101.110', '2.16.840.1.101.3.4.3.18'].map(oid),
  ...AUTHORIZATIONS.map((number) => elementBytes(high(number), Buffer.of(0x02, 0x01, 0x01))),
  ...AUTHORIZATIONS.map((number) => elementBytes(high(number), Buffer.of(0x05, 0x00))),
  elementBytes(high(1), Buffer.from('3106020102020103', 'hex')),
  elementBytes(high(704), Buffer.from('300a040100010100' + '0a0100', 'hex')),
  Buffer.from('0101ff', 'hex'),
  Buffer.from('010101', 'hex'),
  Buffer.from('0500', 'hex'),
  Buffer.from('020100', 'hex'),
  Buffer.from('0a0103', 'hex'),
  Buffer.from('0400', 'hex'),
  Buffer.from('0408ffffffffffffffff', 'hex'),
  Buffer.from('02080080000000000000', 'hex'),
  Buffer.from('0207001fffffffffffff', 'hex'),
  Buffer.from('020900ffffffffffffffff', 'hex'),
  Buffer.from('3000', 'hex'),
  Buffer.from('3100', 'hex'),
  Buffer.from('3080', 'hex'),
  Buffer.from('0000', 'hex'),
  Buffer.from('308180', 'hex'),
  Buffer.from('3082', 'hex'),
  Buffer.from('3084ffffffff', 'hex'),
  Buffer.from('bf8f7f', 'hex'),
  Buffer.from('bf80', 'hex'),
  Buffer.from('bfffffffff7f', 'hex'),
  Buffer.from(`170d${Buffer.from('700101000000Z').toString('hex')}`, 'hex'),
  Buffer.from(`180f${Buffer.from('20481231235959Z').toString('hex')}`, 'hex'),
  Buffer.from('03020780', 'hex'),
  Buffer.from('Droid CA'),
  Buffer.from('UnknownApplication'),
];

/** What CBOR is made of. */
export const CBOR_TOKENS: readonly Uint8Array[] = [
  'a0',
  'a1',
  'a101',
  'bf',
  'ff',
  '80',
  '9f',
  '40',
  '5f',
  '60',
  '7f',
  'f4',
  'f5',
  'f6',
  'f7',
  'fb',
  'c0',
  '1818',
  '1817',
  '190100',
  '1a00010000',
  '1b0000000100000000',
  '1b001fffffffffffff',
  '1b0020000000000000',
  '3b001ffffffffffffe',
  '3bffffffffffffffff',
  '5affffffff',
  '62c3a9',
  '61ff',
  'bbffffffffffffffff',
].map((hex) => Buffer.from(hex, 'hex'));

/** What status lists are made of. */
export const JSON_TOKENS: readonly Uint8Array[] = [
  '{"entries":{',
  '"entries"',
  '"status":"REVOKED"',
  '"status":"SUSPENDED"',
  '"reason":"KEY_COMPROMISE"',
  '"reason":null',
  '"__proto__":',
  '"constructor":',
  '{}',
  '[]',
  'null',
  'true',
  '1e999',
  '-0',
  '"0"',
  '"00ab"',
  '"AB"',
  '"\\u0061"',
  '\ufeff',
  '"\\ud800"',
  ',',
  ':',
  '}',
  '"',
].map((text) => Buffer.from(text));

/** What PEM is made of. */
export const PEM_TOKENS: readonly Uint8Array[] = [
  '-----BEGIN CERTIFICATE-----',
  '-----END CERTIFICATE-----',
  '-----BEGIN PRIVATE KEY-----',
  '-----',
  '\n',
  '\r\n',
  '=',
  '==',
  'AAAA',
  ' ',
  '\t',
  '\0',
  '\u00a0',
  '\u2028',
].map((text) => Buffer.from(text));
