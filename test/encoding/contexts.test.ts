import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  accountDataContext,
  accountDataHash,
  attestationChallenge,
  attestationTranscript,
  grantHash,
  keyBlockProtectionInfo,
  keyProofInput,
  resumeTranscript,
  transportChallenge,
} from '../../src/encoding/contexts.ts';

/** The published construction, written anew: a 4-byte length before each part. */
const parts = (...values: (string | Buffer)[]): Buffer =>
  Buffer.concat(
    values.flatMap((value) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(value));
      return [length, Buffer.from(value)];
    }),
  );
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

const [A, B, C] = [Buffer.alloc(32, 1), Buffer.alloc(5, 2), Buffer.alloc(12, 3)];

describe('what both sides compute', () => {
  // The contract's own words: proto/tapgate/v1.
  test.each<[string, Buffer, Buffer]>([
    ['attestation challenge', attestationChallenge(A, B), sha256(parts('tapgate/v1/attestation-challenge', A, B))],
    ['attestation transcript', attestationTranscript(A, B), sha256(Buffer.concat([A, B]))],
    ['resumption transcript', resumeTranscript(A, B), sha256(parts('tapgate/v1/resume-transcript', A, B))],
    ['transport challenge', transportChallenge(B, A), sha256(parts('tapgate/v1/transport-challenge', B, A))],
    [
      'key block protection',
      keyBlockProtectionInfo('id', 'account-data', 'thumb', A),
      parts('tapgate/v1/key-block-protection', 'id', 'account-data', 'thumb', A),
    ],
    ['key proof', keyProofInput(B), parts('tapgate/v1/key-proof', B)],
    ['account data', accountDataContext(grantHash(B), C), parts('tapgate/v1/account-data', sha256(B), C)],
    ['account data hash', accountDataHash(C, C, B), sha256(parts('tapgate/v1/account-data-hash', C, C, B))],
  ])('is as published: %s', (_what, computed, published) => {
    expect(computed.toString('hex')).toBe(published.toString('hex'));
  });
});
