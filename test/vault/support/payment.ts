import { paymentEvidenceHash } from '../../../src/encoding/contexts.ts';
import { sha256 } from '../../../src/encoding/digest.ts';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import type { PaymentIntent } from '../../../src/gate/intent.ts';
import { type ApprovalClaims, grantClaims } from '../../../src/gate/receipt.ts';
import type { SignedMessage } from '../../../src/gen/tapgate/v1/signed.ts';
import type { AuthorizePaymentCall } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import type { TransactionGrant } from '../../../src/sessions/transaction.ts';
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
  readonly pinBlock?: Buffer;
  readonly withoutPin?: boolean;
}

/** What a bend started from, for comparisons. */
export interface TestPayment {
  readonly call: AuthorizePaymentCall;
  readonly grant: TransactionGrant;
  readonly intent: PaymentIntent;
  readonly intentHash: Buffer;
  readonly claims: ApprovalClaims;
}

export function testGrant(phone: TestPhone): TransactionGrant {
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
    issuedAt: NOW,
    expiresAt: new Date(NOW.getTime() + 120_000),
    policyVersion: 'policy-1',
    sameTap: null,
  };
}

const same = <T>(value: T): T => value;

/** A payment with a PIN, honest but for the bend. */
export function testPayment({ keys }: VaultFixture, phone: TestPhone, bend: Bend = {}): TestPayment {
  const grant = (bend.grant ?? same)(testGrant(phone));
  const block = bend.withoutPin ? null : (bend.pinBlock ?? encipherPin(phone, COUNTER));
  const intent = (bend.intent ?? same)({
    acquirer: grant.acquirer,
    thumbprint: phone.thumbprint,
    grantId: grant.id,
    terms: grant.terms,
    emvData: Buffer.from('8407a00000000310109f2701809f360200019f37045a5a5a5a', 'hex'),
    accountData: encryptAccountData(phone, grant.id, COUNTER, bend.cardTlv),
    claimedVerification: block === null ? 'none' : 'online-pin',
    pin: block === null ? null : { ksn: grant.pinKsn, blockHash: sha256(block) },
  });
  const signedGrant = signed(CONTEXT.grant, encodeGrant(grant), keys.grant, keys.grant.keyId);
  const signedIntent = signed(CONTEXT.paymentIntent, encodeIntent(intent), phone.sessionKey);
  const intentHash = sha256(signedIntent.payload);
  const claims: ApprovalClaims = {
    iss: 'https://tapgate.example',
    ...grantClaims(grant),
    iat: Math.floor(NOW.getTime() / 1000),
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
