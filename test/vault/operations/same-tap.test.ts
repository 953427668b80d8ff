import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tapHash } from '../../../src/encoding/contexts.ts';
import type { PaymentIntent } from '../../../src/gate/intent.ts';
import type { TransactionGrant } from '../../../src/sessions/transaction.ts';
import { authorizePayment } from '../../../src/vault/operations/authorize-payment.ts';
import { clock, random, type VaultFixture, vaultFixture } from '../support/keystore.ts';
import { testPayment } from '../support/payment.ts';
import { encryptAccountData, type TestPhone, testPhone } from '../support/phone.ts';

const ROOT = '7b0b6ac1-8f0e-4a11-9c7e-6a9b8f2f3c11';
const ROOT_HASH = Buffer.alloc(32, 0x11);
const OTHER_HASH = Buffer.alloc(32, 0x12);
const EMV_DATA = Buffer.from('8407a00000000310109f2701809f360200019f37045a5a5a5a', 'hex');

let vault: VaultFixture;
let phone: TestPhone;

beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});
afterAll(() => vault.remove());

/** A payment of a tap that was made under the root grant, and its answer. */
function payAgain({
  boundTo = ROOT_HASH,
  rootHash = ROOT_HASH as Buffer | null,
  change = (intent: PaymentIntent) => intent,
} = {}) {
  const accountData = encryptAccountData(phone, boundTo, 7);
  const { ksn, initializationVector, ciphertext } = accountData;
  const hash = tapHash(EMV_DATA, ksn, initializationVector, ciphertext);
  const sameTap = { parentId: ROOT, rootId: ROOT, rootHash, hash, attempt: 2 };
  const bend = {
    grant: (grant: TransactionGrant) => ({ ...grant, sameTap }),
    intent: (intent: PaymentIntent) => change({ ...intent, emvData: EMV_DATA, accountData }),
  };
  return authorizePayment(testPayment(vault, phone, bend).call, vault.keys, { random, clock });
}

describe('a tap that is paid again', () => {
  test('is opened under the grant that it was made under', () => {
    expect(payAgain()).toMatchObject({ ok: true, value: { receipt: expect.stringMatching(/^ey/) } });
  });

  test('is not opened where it was made under another', () => {
    expect(payAgain({ boundTo: OTHER_HASH })).toMatchObject({ ok: false, reason: 'ACCOUNT_DATA_INVALID' });
  });

  test('is not opened where its grant does not say which one it was made under', () => {
    expect(payAgain({ rootHash: null })).toMatchObject({ ok: false, reason: 'ACCOUNT_DATA_INVALID' });
  });

  test('is the very same one: other chip data is refused', () => {
    const emvData = Buffer.concat([EMV_DATA.subarray(0, -1), Buffer.of(0x5b)]);
    const refused = { ok: false, reason: 'INTENT_GRANT_MISMATCH' };
    expect(payAgain({ change: (intent) => ({ ...intent, emvData }) })).toMatchObject(refused);
  });

  test('is the very same one: the same card enciphered anew is refused', () => {
    const accountData = encryptAccountData(phone, ROOT_HASH, 7);
    const refused = { ok: false, reason: 'INTENT_GRANT_MISMATCH' };
    expect(payAgain({ change: (intent) => ({ ...intent, accountData }) })).toMatchObject(refused);
  });
});
