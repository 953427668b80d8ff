import { describe, expect, test } from '@jest/globals';
import { parseStatusList, readStatusList } from '../../../src/attestation/android/revocation.ts';
import { AT } from '../support/phone.ts';

const REVOKED = { status: 'REVOKED' };
const list = (entries: unknown): Buffer => Buffer.from(JSON.stringify({ entries }));
const parse = (bytes: Uint8Array) => parseStatusList(bytes, AT);

describe('a status list is refused whole', () => {
  test.each(['xab', 'abx', ' ab', 'ab ', 'ab\n', '\nab', '0xab', 'ab:cd', '-1', '', 'f'.repeat(129)])(
    'for the serial number %j, which no certificate could have',
    (serial) => {
      expect(parse(list({ [serial]: REVOKED, cd: REVOKED }))).toEqual({
        ok: false,
        reason: 'STATUS_LIST_SERIAL_INVALID',
        detail: serial.slice(0, 64),
      });
    },
  );

  test.each([null, 'REVOKED', [], {}, { status: 1 }, { status: null }])('for the entry %j', (entry) => {
    expect(parse(list({ ab: entry }))).toEqual({ ok: false, reason: 'STATUS_LIST_STATUS_INVALID', detail: 'ab' });
  });

  test.each(['null', '[]', '"entries"', '{', ''])('for being %j', (text) => {
    expect(parse(Buffer.from(text))).toEqual({ ok: false, reason: 'STATUS_LIST_NOT_JSON' });
  });

  test.each([undefined, null, [], 'ab'])('for the entries %j', (entries) => {
    expect(parse(list(entries))).toEqual({ ok: false, reason: 'STATUS_LIST_NO_ENTRIES' });
  });

  test('for one byte that is not UTF-8, wherever it stands', () => {
    const [before, after] = ['{"entries":{"ab":{"status":"REVOKED","comment":"', '"}}}'];
    expect(parse(Buffer.from(`${before}${after}`)).ok).toBe(true);
    const damaged = Buffer.concat([Buffer.from(before), Buffer.of(0xff), Buffer.from(after)]);
    expect(parse(damaged)).toEqual({ ok: false, reason: 'STATUS_LIST_NOT_JSON' });
  });
});

describe('the bounds of a status list', () => {
  const bytes = list({ ab: REVOKED, cd: REVOKED });

  test('are reached before they are passed', () => {
    const parsed = (maximumBytes: number, maximumEntries: number) =>
      parseStatusList(bytes, AT, { maximumBytes, maximumEntries });
    expect(parsed(bytes.length, 2).ok).toBe(true);
    expect(parsed(bytes.length - 1, 2)).toEqual({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
    expect(parsed(bytes.length, 1)).toEqual({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
  });

  test('are reached before they are passed on the way, too', async () => {
    async function* pieces() {
      yield bytes.subarray(0, 5);
      yield bytes.subarray(5);
    }
    const read = (maximumBytes: number) => readStatusList(pieces(), AT, { maximumBytes, maximumEntries: 2 });
    expect((await read(bytes.length)).ok).toBe(true);
    expect(await read(bytes.length - 1)).toEqual({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
  });

  test('stand where nobody states any: 8 MiB and 100 000 certificates', () => {
    const padded = (length: number): Buffer => {
      const text = Buffer.alloc(length, 0x20);
      text.set(bytes);
      return text;
    };
    expect(parse(padded(8 * 1024 * 1024)).ok).toBe(true);
    expect(parse(padded(8 * 1024 * 1024 + 1))).toEqual({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
    const many = Array.from({ length: 100_001 }, (_, serial) => [serial.toString(16), REVOKED]);
    expect(parse(list(Object.fromEntries(many)))).toEqual({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
    expect(parse(list(Object.fromEntries(many.slice(1)))).ok).toBe(true);
  });

  test('hold for what is said of a serial number that is none', () => {
    const parsed = parse(list({ ['z'.repeat(1_000_000)]: REVOKED }));
    expect(parsed).toEqual({ ok: false, reason: 'STATUS_LIST_SERIAL_INVALID', detail: 'z'.repeat(64) });
  });
});
