import { expect, test } from '@jest/globals';
import type { IntegrityDecoder, IntegrityFailure } from '../../../src/attestation/play-integrity/decoder.ts';
import { createPairedDecoder } from '../../../src/attestation/play-integrity/paired-decoder.ts';
import { ok, refuse } from '../../../src/reasons/result.ts';
import { documentOf, verdictOf } from './support/verdict.ts';

const verdict = ok(verdictOf(documentOf()));
const never: IntegrityDecoder = {
  decode: async () => {
    throw new Error('was asked');
  },
};
const refusing = (reason: IntegrityFailure): IntegrityDecoder => ({ decode: async () => refuse(reason) });

test('what the local keys decode is not sent to the server', async () => {
  expect(await createPairedDecoder({ decode: async () => verdict }, never).decode('token')).toBe(verdict);
});

test.each<IntegrityFailure>(['TOKEN_MALFORMED', 'TOKEN_ALGORITHM', 'TOKEN_NOT_DECRYPTED'])(
  'what was not made for the local keys (%s) is for the server to say',
  async (reason) => {
    const asked: string[] = [];
    const standard: IntegrityDecoder = {
      decode: async (token) => {
        asked.push(token);
        return verdict;
      },
    };
    expect(await createPairedDecoder(refusing(reason), standard).decode('token')).toBe(verdict);
    expect(asked).toEqual(['token']);
  },
);

test.each<IntegrityFailure>(['TOKEN_TOO_LARGE', 'TOKEN_SIGNATURE', 'VERDICT_FIELD_INVALID'])(
  'what the local keys refuse (%s) has no second chance',
  async (reason) => {
    expect(await createPairedDecoder(refusing(reason), never).decode('token')).toEqual({ ok: false, reason });
  },
);
