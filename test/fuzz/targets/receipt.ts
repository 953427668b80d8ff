import { verifyEs256 } from '../../../src/encoding/jws.ts';
import { type ApprovalClaims, RECEIPT_TYPE } from '../../../src/gate/receipt.ts';
import { readApprovalClaims } from '../../../src/vault/operations/receipt.ts';
import type { VerifiedPayment } from '../../../src/vault/operations/verify-payment.ts';
import { type ReceiptExpectation, verifyReceipt } from '../../../src/virtual/processing/receipt.ts';
import { JWS_TOKENS, type JwsKey, jwsReaders, makeKey, openKey } from './jws/compact.ts';
import { invariant, type Reader, type Target } from './target.ts';
import { bytes, GRANT_VALUE, INTENT_VALUE } from './wire/seeds.ts';

const ISSUER = 'https://tapgate.example';
const INTENT_HASH = bytes(32, 'intent');
const GRANT = { ...GRANT_VALUE, expectedVerification: 'none' } as const;

const PAYMENT: VerifiedPayment = {
  grant: GRANT,
  grantKeyId: 'service-1',
  tapGrantHash: null,
  intent: INTENT_VALUE,
  hash: bytes(32, 'evidence'),
  intentHash: INTENT_HASH,
  // No key is looked at where claims are read.
  zone: null as never,
  pinBlock: null,
};

const CLAIMS: ApprovalClaims = {
  iss: ISSUER,
  aud: GRANT.acquirer,
  iat: 1_781_524_800,
  jti: 'receipt-1',
  sub: GRANT.deviceId,
  decision: 'approved',
  grant: GRANT.id,
  tap: GRANT.id,
  intent: INTENT_HASH.toString('base64url'),
  evidence: bytes(32, 'evidence').toString('base64url'),
  merchant: GRANT.terms.merchant,
  order: GRANT.terms.order,
  amount: GRANT.terms.amountMinor.toString(),
  currency: GRANT.terms.currency,
  type: GRANT.terms.type,
  policy: GRANT.policyVersion,
  gate_policy: 'policy-2',
  appraisal: null,
  checkpoint: null,
};

/** The vault's clock. */
const AT_DECISION = { clock: { now: () => GRANT.issuedAt } };

const SIGNED = { ...CLAIMS, card: bytes(16, 'card').toString('base64url'), pin: false };

const EXPECTATION: ReceiptExpectation = {
  issuer: ISSUER,
  acquirer: GRANT.acquirer,
  grantId: GRANT.id,
  intentHash: INTENT_HASH,
  terms: GRANT.terms,
};

/** An accepted receipt approves this payment and no other: its claims are the expected ones, as they were signed. */
function accepts(compact: string, { known }: JwsKey): boolean {
  const receipt = verifyReceipt(compact, EXPECTATION, known);
  if (!receipt.ok) return false;
  const claims = verifyEs256(compact, RECEIPT_TYPE, known);
  invariant(claims.ok, 'a receipt is accepted whose signature is not');
  const { amount, currency, intent, decision, pin } = claims.value;
  const same = amount === CLAIMS.amount && currency === CLAIMS.currency && intent === CLAIMS.intent;
  invariant(same && decision === 'approved', `a receipt of another payment: ${JSON.stringify(claims.value)}`);
  invariant(receipt.value.pin === pin, 'a receipt says something else of the PIN');
  return true;
}

/** What the vault is asked to sign: nothing but what it has verified. */
const claimsToSign: Reader = {
  name: 'to-sign',
  weight: 4,
  maximumBytes: 4200,
  seeds: [Buffer.from(JSON.stringify(CLAIMS))],
  tokens: JWS_TOKENS,
  read: (input) => {
    const read = readApprovalClaims(Buffer.from(input).toString(), PAYMENT, AT_DECISION);
    if (!read.ok) return false;
    const { iss, iat, jti, gate_policy: _p, appraisal: _a, checkpoint: _c, ...verified } = read.value;
    const { iss: _i, iat: _t, jti: _j, gate_policy: _g, appraisal: _r, checkpoint: _k, ...expected } = CLAIMS;
    const stated = JSON.stringify(Object.entries(verified).sort());
    invariant(
      stated === JSON.stringify(Object.entries(expected).sort()),
      `the vault would sign other claims: ${stated}`,
    );
    invariant(iss.length > 0 && jti.length > 0 && Number.isSafeInteger(iat) && iat >= 0, 'a claim of another form');
    return true;
  },
};

/** Receipts as processing verifies them, and their claims as the vault signs them. */
export const RECEIPT: Target = {
  prepare: async () => makeKey(),
  open: (prepared) => {
    const key = openKey(prepared);
    return [
      ...jwsReaders(RECEIPT_TYPE, [SIGNED, { ...SIGNED, pin: true }], key, (compact) => accepts(compact, key)),
      claimsToSign,
    ];
  },
};
