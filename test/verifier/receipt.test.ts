import { describe, expect, test } from '@jest/globals';
import { RECEIPT_TYPE } from '../../src/gate/receipt.ts';
import { receiptKeysOf, verifyReceipt } from '../../src/verifier/index.ts';
import { compactJws } from '../support/jws.ts';
import { signingKey } from '../support/signing-key.ts';
import { unwrap } from '../support/unwrap.ts';

const key = signingKey();
const keys = new Map([['r1', key.publicKey]]);
const trust = { issuer: 'https://tapgate.example', audience: 'acquirer-a', keys };
const digest = 'a'.repeat(43);

const approval = {
  iss: trust.issuer,
  aud: trust.audience,
  iat: 1_770_000_000,
  jti: 'receipt-1',
  sub: 'device-1',
  grant: 'grant-1',
  tap: 'grant-1',
  intent: digest,
  evidence: digest,
  merchant: 'shop',
  order: 'order-1',
  amount: '1250',
  currency: 978,
  type: 'sale',
  policy: 'p1',
  gate_policy: 'p2',
  appraisal: null,
  checkpoint: digest,
  decision: 'approved',
  card: 'c',
  pin: false,
};
const refusal = { ...approval, decision: 'refused', reasons: ['CVM_REQUIRED'] };

const receipt = (claims: object, { typ = RECEIPT_TYPE, kid = 'r1', by = key } = {}): string =>
  compactJws({ alg: 'ES256', kid, typ }, claims, by.privateKey);

describe('a receipt', () => {
  test.each([
    ['of an approval', approval],
    ['of a refusal', refusal],
    ['with a member of a newer service', { ...approval, newer: { a: 1 } }],
    ['of before the first checkpoint', { ...approval, checkpoint: null }],
  ])('%s is verified, and its claims told', (_what, claims) => {
    expect(unwrap(verifyReceipt(receipt(claims), trust))).toEqual(claims);
    expect(verifyReceipt(receipt(claims), { ...trust, audience: null }).ok).toBe(true);
  });

  test.each<[string, string, string]>([
    ['of another issuer', receipt({ ...approval, iss: 'https://other.example' }), 'RECEIPT_ISSUER'],
    ['for another acquirer', receipt({ ...approval, aud: 'acquirer-b' }), 'RECEIPT_AUDIENCE'],
    ['by another key', receipt(approval, { by: signingKey() }), 'JWS_SIGNATURE'],
    ['by a key that nobody published', receipt(approval, { kid: 'r2' }), 'JWS_KEY_UNKNOWN'],
    ['that is a device token', receipt(approval, { typ: 'tapgate-device+jwt' }), 'JWS_ALGORITHM'],
    ['of which a part was exchanged', exchanged(receipt(approval)), 'JWS_SIGNATURE'],
    ['without a decision', receipt({ ...approval, decision: 'pending' }), 'RECEIPT_CLAIMS'],
    ['of a refusal without reasons', receipt({ ...refusal, reasons: [] }), 'RECEIPT_CLAIMS'],
    ['of an approval without its card', receipt({ ...approval, card: undefined }), 'RECEIPT_CLAIMS'],
    ['whose amount is no number', receipt({ ...approval, amount: '12.50' }), 'RECEIPT_CLAIMS'],
    ['whose checkpoint is no hash', receipt({ ...approval, checkpoint: 'x' }), 'RECEIPT_CLAIMS'],
    ['that is none', 'x', 'JWS_MALFORMED'],
  ])('%s is refused', (_what, compact, reason) => {
    expect(verifyReceipt(compact, trust)).toMatchObject({ ok: false, reason });
  });
});

test('keys of receipts are not those of tokens', () => {
  const { x = '', y = '' } = key.publicKey.export({ format: 'jwk' });
  const published = { kid: 'r1', x, y, alg: 'ES256' };
  expect([...receiptKeysOf([{ ...published, tapgateUse: 'receipt' }]).keys()]).toEqual(['r1']);
  expect(receiptKeysOf([{ ...published, tapgateUse: 'device-token' }]).size).toBe(0);
});

function exchanged(compact: string): string {
  const [header, , signature] = compact.split('.');
  return [header, Buffer.from(JSON.stringify({ ...approval, amount: '1' })).toString('base64url'), signature].join('.');
}
