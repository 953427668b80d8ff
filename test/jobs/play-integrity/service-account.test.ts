import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { parseServiceAccount } from '../../../src/jobs/play-integrity/service-account.ts';
import { ACCOUNT_EMAIL, ACCOUNT_KEY_ID, accountFile } from './support/account.ts';

const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' });

test('a key file gives account, key and its id', () => {
  const account = parseServiceAccount(accountFile());
  expect(account).toMatchObject({ ok: true, value: { email: ACCOUNT_EMAIL, keyId: ACCOUNT_KEY_ID } });
  expect(account.ok && account.value.key.asymmetricKeyDetails?.modulusLength).toBe(2048);
});

describe('a key file is refused', () => {
  test.each<[string, string]>([
    ['that is no JSON', 'a secret'],
    ['that is no object', '[]'],
    ['of a person', accountFile({ type: 'authorized_user' })],
    ['without an address', accountFile({ client_email: undefined })],
    ['whose address is none', accountFile({ client_email: 'nobody' })],
    ['whose key id is none', accountFile({ private_key_id: 'a b' })],
    ['without a key', accountFile({ private_key: undefined })],
    ['with an encrypted key', accountFile({ private_key: '-----BEGIN ENCRYPTED PRIVATE KEY-----\n' })],
  ])('%s', (_, text) => {
    expect(parseServiceAccount(text)).toEqual({ ok: false, reason: 'SERVICE_ACCOUNT_MALFORMED' });
  });

  test.each<[string, string | Buffer]>([
    ['that is not one', '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n'],
    ['of an elliptic curve', pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)],
    ['that is too short', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)],
    ['for PSS alone', pem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey)],
  ])('with a key %s', (_, key) => {
    const refused = parseServiceAccount(accountFile({ private_key: String(key) }));
    expect(refused).toEqual({ ok: false, reason: 'SERVICE_ACCOUNT_KEY_INVALID' });
  });

  test('over 16 384 characters', () => {
    const text = accountFile({ more: 'x'.repeat(16_384) });
    expect(parseServiceAccount(text)).toEqual({ ok: false, reason: 'SERVICE_ACCOUNT_TOO_LARGE' });
  });
});

test('a refusal repeats nothing of the file', () => {
  for (const text of [
    accountFile({ client_email: 'a secret' }),
    accountFile({ private_key: 'a secret' }),
    'a secret',
  ]) {
    expect(inspect(parseServiceAccount(text))).not.toContain('secret');
  }
});
