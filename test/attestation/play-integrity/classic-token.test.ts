import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { CompactEncrypt, CompactSign } from 'jose';
import {
  classicTokenKeys,
  createClassicDecoder,
  decodeClassicToken,
} from '../../../src/attestation/play-integrity/classic-token.ts';
import { MAXIMUM_TOKEN_LENGTH } from '../../../src/attestation/play-integrity/decoder.ts';
import { ok } from '../../../src/reasons/result.ts';
import { issueClassicToken } from '../../../src/virtual/play-integrity/token.ts';
import { bytesOf, documentOf, verdictOf } from './support/verdict.ts';

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signing = ec.privateKey;
const secret = randomBytes(32);
const encryption = createSecretKey(secret);
const CONSOLE = {
  decryptionKey: secret.toString('base64'),
  verificationKey: ec.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
};
const read = classicTokenKeys(CONSOLE);
if (!read.ok) throw new Error(read.reason);
const KEYS = read.value;
const decode = (token: string) => decodeClassicToken(token, KEYS);

const HONEST = bytesOf(documentOf());
const signed = (payload: Uint8Array, alg: string, key: KeyObject): Promise<string> =>
  new CompactSign(payload).setProtectedHeader({ alg }).sign(key);
const sealed = (
  jws: string,
  header: { alg: string; enc: string; [member: string]: unknown },
  key: KeyObject = encryption,
) => new CompactEncrypt(Buffer.from(jws)).setProtectedHeader(header).encrypt(key);
const GENUINE = { alg: 'A256KW', enc: 'A256GCM' };
const segment = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWS of any header, signed with HMAC under any key: what an attacker makes who knows the public key. */
function hmacSigned(alg: string, key: Uint8Array): string {
  const input = `${segment({ alg })}.${HONEST.toString('base64url')}`;
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
}

test('a genuine token gives its verdict', async () => {
  const token = await issueClassicToken(HONEST, { signing, encryption });
  expect(await createClassicDecoder(KEYS).decode(token)).toEqual(ok(verdictOf(documentOf())));
});

test('what a signed payload holds is refused as such', async () => {
  const issue = (payload: Buffer) => issueClassicToken(payload, { signing, encryption });
  expect(await decode(await issue(Buffer.from('[]')))).toMatchObject({ reason: 'VERDICT_NOT_JSON' });
  expect(await decode(await issue(Buffer.from('{}')))).toMatchObject({ reason: 'VERDICT_FIELD_INVALID' });
});

describe('a token is refused', () => {
  const otherKey = createSecretKey(randomBytes(32));
  const otherSigner = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  const ed25519 = generateKeyPairSync('ed25519').privateKey;

  test.each<[string, () => Promise<string>, string]>([
    [
      'for another key',
      async () => sealed(await signed(HONEST, 'ES256', signing), GENUINE, otherKey),
      'TOKEN_NOT_DECRYPTED',
    ],
    [
      'signed by another key',
      async () => sealed(await signed(HONEST, 'ES256', otherSigner), GENUINE),
      'TOKEN_SIGNATURE',
    ],
    [
      'encrypted with A128GCM',
      async () => sealed(await signed(HONEST, 'ES256', signing), { alg: 'A256KW', enc: 'A128GCM' }),
      'TOKEN_ALGORITHM',
    ],
    [
      'encrypted with A256CBC-HS512',
      async () => sealed(await signed(HONEST, 'ES256', signing), { alg: 'A256KW', enc: 'A256CBC-HS512' }),
      'TOKEN_ALGORITHM',
    ],
    [
      'whose key is wrapped with A256GCMKW',
      async () => sealed(await signed(HONEST, 'ES256', signing), { alg: 'A256GCMKW', enc: 'A256GCM' }),
      'TOKEN_ALGORITHM',
    ],
    [
      'that is compressed',
      async () => sealed(await signed(HONEST, 'ES256', signing), { ...GENUINE, zip: 'DEF' }),
      'TOKEN_ALGORITHM',
    ],
    ['signed with ES384', async () => sealed(await signed(HONEST, 'ES384', p384), GENUINE), 'TOKEN_ALGORITHM'],
    ['signed with EdDSA', async () => sealed(await signed(HONEST, 'EdDSA', ed25519), GENUINE), 'TOKEN_ALGORITHM'],
    [
      'whose signature is HMAC under the public key',
      () => sealed(hmacSigned('HS256', Buffer.from(CONSOLE.verificationKey, 'base64')), GENUINE),
      'TOKEN_ALGORITHM',
    ],
    [
      'that is not signed',
      () => sealed(`${segment({ alg: 'none' })}.${HONEST.toString('base64url')}.`, GENUINE),
      'TOKEN_ALGORITHM',
    ],
    ['that says ES256 over HMAC', () => sealed(hmacSigned('ES256', secret), GENUINE), 'TOKEN_SIGNATURE'],
    ['that holds no JWS', () => sealed('not a jws', GENUINE), 'TOKEN_MALFORMED'],
    ['that holds the verdict itself', () => sealed(HONEST.toString('utf8'), GENUINE), 'TOKEN_MALFORMED'],
    ['that is only signed', () => signed(HONEST, 'ES256', signing), 'TOKEN_MALFORMED'],
    [
      'without an encrypted key',
      async () => {
        const [header, , ...rest] = (await issueClassicToken(HONEST, { signing, encryption })).split('.');
        return [header, '', ...rest].join('.');
      },
      'TOKEN_MALFORMED',
    ],
    [
      'whose header is not JSON',
      async () => ['AAAA', ...(await issueClassicToken(HONEST, { signing, encryption })).split('.').slice(1)].join('.'),
      'TOKEN_MALFORMED',
    ],
  ])('%s', async (_, make, reason) => {
    expect(await decode(await make())).toMatchObject({ ok: false, reason });
  });

  test.each(['', 'token', 'a.b.c.d.e.f', 'a.b.c.d.', '....', 'a.b.c.d.e\n', 'ä.b.c.d.e', 'a.b.c.d.e=='])(
    '%j',
    async (token) => {
      expect(await decode(token)).toMatchObject({ ok: false, reason: 'TOKEN_MALFORMED' });
    },
  );

  test('that is too long, unread', async () => {
    const token = `${'a'.repeat(MAXIMUM_TOKEN_LENGTH)}.b.c.d.e`;
    expect(await decode(token)).toEqual({ ok: false, reason: 'TOKEN_TOO_LARGE', detail: `${token.length} characters` });
  });

  test('whose authentication tag is cut short', async () => {
    const [tag = '', ...rest] = (await issueClassicToken(HONEST, { signing, encryption })).split('.').reverse();
    const cut = Buffer.from(tag, 'base64url').subarray(0, 12).toString('base64url');
    const decoded = await decode([...rest.reverse(), cut].join('.'));
    expect(decoded.ok ? '' : decoded.reason).toMatch(/^TOKEN_(?:MALFORMED|NOT_DECRYPTED)$/);
  });

  test('with any one character changed', async () => {
    const token = await issueClassicToken(HONEST, { signing, encryption });
    const ends = [...token.matchAll(/\.|$/g)].map(({ index }) => index - 1);
    for (let at = 0; at < token.length; at += 7) {
      // The last character of a segment has bits that mean nothing.
      if (token[at] === '.' || ends.includes(at)) continue;
      const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
      expect((await decode(changed)).ok).toBe(false);
    }
  });
});

describe('keys of the Play Console', () => {
  test('may have white space around them', () => {
    const texts = { decryptionKey: ` ${CONSOLE.decryptionKey}\n`, verificationKey: `${CONSOLE.verificationKey}\n` };
    expect(classicTokenKeys(texts).ok).toBe(true);
  });

  test.each([
    ['of 16 bytes', randomBytes(16).toString('base64')],
    ['of 48 bytes', randomBytes(48).toString('base64')],
    ['in hex', secret.toString('hex')],
    ['in base64url without padding', Buffer.alloc(32, 0xfb).toString('base64url')],
    ['that is empty', ''],
    ['that is endless', 'A'.repeat(1_000_000)],
  ])('are refused with a decryption key %s, which is not repeated', (_, decryptionKey) => {
    expect(classicTokenKeys({ ...CONSOLE, decryptionKey })).toEqual({ ok: false, reason: 'DECRYPTION_KEY_INVALID' });
  });

  test.each([
    ['of P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey],
    ['of RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey],
  ])('are refused with a verification key %s', (_, key) => {
    const verificationKey = key.export({ type: 'spki', format: 'der' }).toString('base64');
    expect(classicTokenKeys({ ...CONSOLE, verificationKey })).toEqual({
      ok: false,
      reason: 'VERIFICATION_KEY_INVALID',
    });
  });

  test('do not print', () => {
    const printed = `${inspect(KEYS, { depth: 9, showHidden: true })}${JSON.stringify(KEYS)}${String(KEYS.decryption)}`;
    for (const form of ['base64', 'hex', 'base64url'] as const) expect(printed).not.toContain(secret.toString(form));
  });
});
