import { describe, expect, test } from '@jest/globals';
import { parseStatusList, readStatusList } from '../../src/attestation/android/revocation.ts';
import { AT } from './support/phone.ts';

const list = (entries: Record<string, unknown>): Buffer => Buffer.from(JSON.stringify({ entries }));

describe('a status list', () => {
  test('names certificates in lowercase hex without leading zeros, digits included', () => {
    const parsed = parseStatusList(
      list({
        '5871646753572800414': { status: 'REVOKED', reason: 'KEY_COMPROMISE' },
        '00AbCd': { status: 'SUSPENDED', comment: 'for a test', expires: '2030-01-01' },
        '0': { status: 'REVOKED' },
      }),
      AT,
    );
    expect(parsed).toEqual({
      ok: true,
      value: {
        fetchedAt: AT,
        entries: new Map([
          ['5871646753572800414', { status: 'REVOKED', reason: 'KEY_COMPROMISE' }],
          ['abcd', { status: 'SUSPENDED', reason: null }],
          ['0', { status: 'REVOKED', reason: null }],
        ]),
      },
    });
  });

  test('is read from a stream as from bytes', async () => {
    const bytes = list({ ab: { status: 'REVOKED' } });
    async function* pieces() {
      for (const byte of bytes) yield Buffer.of(byte);
    }
    expect(await readStatusList(pieces(), AT)).toEqual(parseStatusList(bytes, AT));
  });

  test('may be empty', () => {
    expect(parseStatusList(list({}), AT)).toEqual({ ok: true, value: { fetchedAt: AT, entries: new Map() } });
  });
});
