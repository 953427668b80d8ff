import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { classicTokenKeys, decodeClassicToken } from '../../../src/attestation/play-integrity/classic-token.ts';
import { MAXIMUM_TOKEN_LENGTH } from '../../../src/attestation/play-integrity/decoder.ts';
import { createStandardDecoder } from '../../../src/attestation/play-integrity/standard-decoder.ts';
import { ok } from '../../../src/reasons/result.ts';
import { issueClassicToken } from '../../../src/virtual/play-integrity/token.ts';
import { bytesOf, documentOf, PACKAGE, verdictOf } from '../play-integrity/support/verdict.ts';

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const secret = randomBytes(32);
const encryption = createSecretKey(secret);
const KEYS = { decryption: encryption, verification: ec.publicKey };
const HONEST = ok(verdictOf(documentOf()));
const issue = () => issueClassicToken(bytesOf(documentOf()), { signing: ec.privateKey, encryption });

describe('a classic token', () => {
  test.each([
    ['a line break behind it', (token: string) => `${token}\n`],
    ['padding behind it', (token: string) => `${token}=`],
    ['a space before it', (token: string) => ` ${token}`],
    ['another segment behind it', (token: string) => `${token}.AA`],
    ['another segment before it', (token: string) => `AA.${token}`],
  ])('is refused with %s', async (_, bend) => {
    const token = await issue();
    expect(await decodeClassicToken(token, KEYS)).toEqual(HONEST);
    expect(await decodeClassicToken(bend(token), KEYS)).toEqual({
      ok: false,
      reason: 'TOKEN_MALFORMED',
      detail: 'not five segments of base64url',
    });
  });

  test('is looked at up to the greatest length', async () => {
    const ofLength = (length: number): string => `${'a'.repeat(length - 8)}.b.c.d.e`;
    expect(await decodeClassicToken(ofLength(MAXIMUM_TOKEN_LENGTH), KEYS)).toMatchObject({ reason: 'TOKEN_MALFORMED' });
    expect(await decodeClassicToken(ofLength(16_385), KEYS)).toMatchObject({ reason: 'TOKEN_TOO_LARGE' });
  });

  test('is refused, by a reason and not by an exception, with keys that cannot be used', async () => {
    const token = await issue();
    const short = { ...KEYS, decryption: createSecretKey(randomBytes(16)) };
    expect(await decodeClassicToken(token, short)).toEqual({
      ok: false,
      reason: 'TOKEN_NOT_DECRYPTED',
      detail: 'JWE',
    });
    const p384 = { ...KEYS, verification: generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey };
    expect(await decodeClassicToken(token, p384)).toEqual({ ok: false, reason: 'TOKEN_SIGNATURE', detail: 'JWS' });
  });
});

test('reading the keys of the Play Console leaves no copy of the decryption key in memory of its own', () => {
  const allocated: Buffer[] = [];
  const { alloc } = Buffer;
  Buffer.alloc = (...terms: Parameters<typeof alloc>) => {
    const buffer = alloc(...terms);
    allocated.push(buffer);
    return buffer;
  };
  try {
    const verificationKey = ec.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const keys = classicTokenKeys({ decryptionKey: secret.toString('base64'), verificationKey });
    expect(keys.ok && keys.value.decryption.export().equals(secret)).toBe(true);
  } finally {
    Buffer.alloc = alloc;
  }
  expect(allocated.length).toBeGreaterThan(0);
  expect(allocated.filter((buffer) => buffer.includes(secret.subarray(0, 8)))).toEqual([]);
});

describe('a standard token', () => {
  const decoderOf = (body: Uint8Array, asked: string[] = []) =>
    createStandardDecoder({
      post: async (request) => {
        asked.push(request.body);
        return ok({ status: 200, body });
      },
      accessToken: async () => ok('an-access-token'),
      packageName: PACKAGE,
      deadlineMilliseconds: 2000,
    });
  const answer = (document: unknown, length = 0): Buffer => {
    const bytes = bytesOf({ tokenPayloadExternal: document });
    return Buffer.concat([bytes, Buffer.alloc(Math.max(0, length - bytes.length), 0x20)]);
  };

  test('is asked about up to the greatest length', async () => {
    const asked: string[] = [];
    const decoder = decoderOf(answer(documentOf()), asked);
    expect(await decoder.decode('a'.repeat(16_384))).toEqual(HONEST);
    expect(await decoder.decode('a'.repeat(16_385))).toMatchObject({ reason: 'TOKEN_TOO_LARGE' });
    expect(asked).toHaveLength(1);
  });

  test('has a verdict of bounded length, whatever the way to the server lets through', async () => {
    expect(await decoderOf(answer(documentOf(), 17_408)).decode('token')).toEqual(HONEST);
    expect(await decoderOf(answer(documentOf(), 17_409)).decode('token')).toMatchObject({
      reason: 'DECODER_UNAVAILABLE',
    });
  });

  test('has no verdict in an answer that is not UTF-8', async () => {
    const body = answer({ ...documentOf(), more: '?' });
    body[body.lastIndexOf('?')] = 0xff;
    expect(await decoderOf(body).decode('token')).toMatchObject({ reason: 'DECODER_UNAVAILABLE' });
  });

  test.each(['"text"', '7', 'null', 'true', '[]'])('has no verdict in the answer %s', async (text) => {
    expect(await decoderOf(Buffer.from(text)).decode('token')).toEqual({
      ok: false,
      reason: 'DECODER_UNAVAILABLE',
      detail: 'the answer holds no payload',
    });
  });
});
