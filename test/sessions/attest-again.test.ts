import { expect, test } from '@jest/globals';
import { secondsAfter } from '../../src/ports/clock.ts';
import { attestAgain } from '../../src/sessions/attest-again.ts';
import { START } from '../support/clock.ts';

const POLICY = { fullAttestationSeconds: 86_400, attestAgainSeconds: 120 };

test.each<[string, number, boolean]>([
  ['long before its attestation falls due', 900, false],
  ['so that a resumption gives as much as the notice', 86_400 - 120, false],
  ['so that a resumption gives less than the notice', 86_400 - 119, true],
  ['with its attestation', 86_400, true],
  ['after its attestation, which policy has shortened since', 90_000, true],
])('a token that ends %s', (_what, seconds, due) => {
  const at = secondsAfter(START, seconds);
  const told = attestAgain({ attestedAt: START, validUntil: at }, POLICY);
  expect(told).toEqual({ kind: 'attest-again', at, ...(due && { reason: 'ATTESTATION_DUE' }) });
});
