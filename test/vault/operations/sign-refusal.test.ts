import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verifyEs256 } from '../../../src/encoding/jws.ts';
import { RECEIPT_TYPE, type RefusalClaims } from '../../../src/gate/receipt.ts';
import { authorizePayment } from '../../../src/vault/operations/authorize-payment.ts';
import { signRefusal } from '../../../src/vault/operations/sign-refusal.ts';
import { verifyReceipt } from '../../../src/virtual/processing/receipt.ts';
import { clock, random, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';
import { type Bend, testPayment } from '../support/payment.ts';
import { type TestPhone, testPhone } from '../support/phone.ts';

let vault: VaultFixture;
let phone: TestPhone;

const ports = { clock, random };

beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});

afterAll(() => vault.remove());

const refusalOf = (bend: Bend = {}, over: object = {}) => {
  const made = testPayment(vault, phone, bend);
  const claims: RefusalClaims = { ...made.claims, decision: 'refused', reasons: ['CVM_REQUIRED'] };
  const { intent, sessionPublicKey, grant } = made.call;
  const receiptClaims = JSON.stringify({ ...claims, ...over });
  return { made, claims, call: { intent, sessionPublicKey, grant, receiptClaims } };
};

const receiptKeys = () => new Map([[vault.keys.receipt.keyId, vault.keys.receipt.publicKey]]);

test('a refusal is signed as it is stated, with the keys that its grant names', () => {
  const { made, claims, call } = refusalOf();
  const { receipt } = unwrap(signRefusal(call, vault.keys, ports));
  const keys = {
    pin_bdk: made.grant.pinKsn.subarray(0, 4).toString('hex'),
    account_data_bdk: made.grant.accountDataKsn.subarray(0, 4).toString('hex'),
    grant: vault.keys.grant.keyId,
  };
  expect(unwrap(verifyEs256(receipt, RECEIPT_TYPE, receiptKeys()))).toEqual({ ...claims, keys });
});

test('no reader takes it for an approval', () => {
  const { made, call } = refusalOf();
  const { receipt } = unwrap(signRefusal(call, vault.keys, ports));
  const { grant, intentHash } = made;
  const expected = {
    issuer: 'https://tapgate.example',
    acquirer: grant.acquirer,
    grantId: grant.id,
    intentHash,
    terms: grant.terms,
  };
  expect(verifyReceipt(receipt, expected, receiptKeys())).toMatchObject({ ok: false, reason: 'RECEIPT_CLAIM' });
});

describe('claims that are not signed', () => {
  test.each([
    ['an approval', { decision: 'approved' }, 'MALFORMED_MESSAGE'],
    ['an approval without reasons', { decision: 'approved', reasons: undefined }, 'MALFORMED_MESSAGE'],
    ['no reason', { reasons: [] }, 'MALFORMED_MESSAGE'],
    ['nine reasons', { reasons: Array(9).fill('CVM_REQUIRED') }, 'MALFORMED_MESSAGE'],
    ['a reason that there is not', { reasons: ['BECAUSE'] }, 'MALFORMED_MESSAGE'],
    ['a member more', { card: 'AAAA' }, 'MALFORMED_MESSAGE'],
    ['a PIN', { pin: true }, 'MALFORMED_MESSAGE'],
    ['a checkpoint that is none', { checkpoint: 'zz' }, 'MALFORMED_MESSAGE'],
    ['another amount', { amount: '1' }, 'RECEIPT_MISMATCH'],
    ['another acquirer', { aud: 'rival' }, 'RECEIPT_MISMATCH'],
    ['another grant', { grant: 'g' }, 'RECEIPT_MISMATCH'],
    ['another tap', { tap: 'g' }, 'RECEIPT_MISMATCH'],
    ['another device', { sub: 'd' }, 'RECEIPT_MISMATCH'],
    ['another intent', { intent: 'A'.repeat(43) }, 'RECEIPT_MISMATCH'],
    ['other evidence', { evidence: 'A'.repeat(43) }, 'RECEIPT_MISMATCH'],
    ['another policy', { policy: 'p' }, 'RECEIPT_MISMATCH'],
  ])('%s', (_what, over, reason) => {
    expect(signRefusal(refusalOf({}, over).call, vault.keys, ports)).toMatchObject({ ok: false, reason });
  });

  test('and those of a refusal are none of an approval', () => {
    const call = testPayment(vault, phone, { receipt: (claims) => ({ ...claims, decision: 'refused' }) }).call;
    expect(authorizePayment(call, vault.keys, ports)).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
  });
});

describe('evidence that is not signed for', () => {
  test.each([
    ['a grant that this vault has not signed', { signedGrant: (m: object) => ({ ...m, keyId: 'x' }) }, 'GRANT_UNKNOWN'],
    ['no grant', { call: (c: object) => ({ ...c, grant: undefined }) }, 'MALFORMED_MESSAGE'],
    ['no intent', { call: (c: object) => ({ ...c, intent: undefined }) }, 'MALFORMED_MESSAGE'],
    [
      'another session key',
      { call: (c: object) => ({ ...c, sessionPublicKey: Buffer.alloc(91) }) },
      'SESSION_KEY_MISMATCH',
    ],
  ])('%s', (_what, bend, reason) => {
    expect(signRefusal(refusalOf(bend as Bend).call, vault.keys, ports)).toMatchObject({ ok: false, reason });
  });
});
