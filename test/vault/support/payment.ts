import { grantHash, paymentEvidenceHash } from '../../../src/encoding/contexts.ts';
import { sha256 } from '../../../src/encoding/digest.ts';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import type { PaymentIntent } from '../../../src/gate/intent.ts';
import { type ApprovalClaims, grantClaims } from '../../../src/gate/receipt.ts';
import type { SignedMessage } from '../../../src/gen/tapgate/v1/signed.ts';
import type { AuthorizePaymentCall, SignGrantCall } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import type { TransactionGrant } from '../../../src/sessions/transaction.ts';
import { keyBinding } from '../../../src/vault/key-binding.ts';
import { encodeGrant, encodeIntent } from '../../../src/wire/transaction.ts';
import { ACQUIRER, NOW, random, type VaultFixture } from './keystore.ts';
import { encipherPin, encryptAccountData, signed, type TestPhone } from './phone.ts';

const COUNTER = 7;

/** A whole payment, from which a test bends one thing. */
export interface Bend {
  /** Before the service key signs it. */
  readonly grant?: (grant: TransactionGrant) => TransactionGrant;
  readonly signedGrant?: (message: SignedMessage) => SignedMessage;
  /** Before the session key signs it. */
  readonly intent?: (intent: PaymentIntent) => PaymentIntent;
  readonly signedIntent?: (message: SignedMessage) => SignedMessage;
  readonly call?: (call: AuthorizePaymentCall) => AuthorizePaymentCall;
  readonly receipt?: (claims: ApprovalClaims) => object;
  readonly cardTlv?: Buffer;
  /** What the account data is bound to, in the place of the grant. */
  readonly boundTo?: Buffer;
  readonly pinBlock?: Buffer;
  readonly withoutPin?: boolean;
  /** When it is granted and decided. */
  readonly now?: Date;
}

/** What a bend started from, for comparisons. */
export interface TestPayment {
  readonly call: AuthorizePaymentCall;
  readonly grant: TransactionGrant;
  readonly intent: PaymentIntent;
  readonly intentHash: Buffer;
  readonly claims: ApprovalClaims;
}

export function testGrant(phone: TestPhone, now = NOW): TransactionGrant {
  return {
    id: randomUuid(random),
    nonce: random.bytes(16),
    deviceId: randomUuid(random),
    thumbprint: phone.thumbprint,
    acquirer: ACQUIRER,
    terms: { type: 'sale', amountMinor: 12_345n, currency: 978, merchant: 'shop-1', order: 'order-77' },
    pinKsn: phone.pin.ksn(COUNTER),
    accountDataKsn: phone.accountData.ksn(COUNTER),
    sequence: 3n,
    expectedVerification: 'online-pin',
    pinAllowed: true,
    issuedAt: now,
    expiresAt: new Date(now.getTime() + 120_000),
    policyVersion: 'policy-1',
    sameTap: null,
  };
}

/** What the vault bound a grant's keys by when it offered them. */
export function bindingOf({ keys }: Pick<VaultFixture, 'keys'>, grant: TransactionGrant): Buffer {
  const { pinKsn, accountDataKsn, deviceId, acquirer } = grant;
  const ids = { pinInitialKeyId: pinKsn.subarray(0, 8), accountDataInitialKeyId: accountDataKsn.subarray(0, 8) };
  return keyBinding({ ...ids, deviceId, acquirer }, keys);
}

/** A call to sign a grant as the service makes it for a tap of its own. */
export function grantCall(fixture: Pick<VaultFixture, 'keys'>, grant: TransactionGrant): SignGrantCall {
  return { payload: encodeGrant(grant), keyBinding: bindingOf(fixture, grant), parent: undefined };
}

const same = <T>(value: T): T => value;

/** A payment with a PIN, honest but for the bend. */
export function testPayment({ keys }: VaultFixture, phone: TestPhone, bend: Bend = {}): TestPayment {
  const now = bend.now ?? NOW;
  const grant = (bend.grant ?? same)(testGrant(phone, now));
  const payload = encodeGrant(grant);
  const block = bend.withoutPin ? null : (bend.pinBlock ?? encipherPin(phone, COUNTER));
  const intent = (bend.intent ?? same)({
    acquirer: grant.acquirer,
    thumbprint: phone.thumbprint,
    grantId: grant.id,
    terms: grant.terms,
    emvData: Buffer.from('8407a00000000310109f2701809f360200019f37045a5a5a5a', 'hex'),
    accountData: encryptAccountData(phone, bend.boundTo ?? grantHash(payload), COUNTER, bend.cardTlv),
    claimedVerification: block === null ? 'none' : 'online-pin',
    pin: block === null ? null : { ksn: grant.pinKsn, blockHash: sha256(block) },
  });
  const signedGrant = signed(CONTEXT.grant, payload, keys.grant, keys.grant.keyId);
  const signedIntent = signed(CONTEXT.paymentIntent, encodeIntent(intent), phone.sessionKey);
  const intentHash = sha256(signedIntent.payload);
  const claims: ApprovalClaims = {
    iss: 'https://tapgate.example',
    ...grantClaims(grant),
    iat: Math.floor(now.getTime() / 1000),
    jti: randomUuid(random),
    decision: 'approved',
    intent: intentHash.toString('base64url'),
    evidence: paymentEvidenceHash(signedIntent, phone.sessionPublicKey, signedGrant).toString('base64url'),
    gate_policy: 'policy-2',
    appraisal: null,
    checkpoint: null,
  };
  const call: AuthorizePaymentCall = {
    intent: (bend.signedIntent ?? same)(signedIntent),
    sessionPublicKey: phone.sessionPublicKey,
    grant: (bend.signedGrant ?? same)(signedGrant),
    pinBlock: block ?? Buffer.alloc(0),
    receiptClaims: JSON.stringify((bend.receipt ?? same)(claims)),
  };
  return { call: (bend.call ?? same)(call), grant, intent, intentHash, claims };
}
