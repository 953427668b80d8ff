import { CONTEXT } from '../../src/encoding/signed.ts';
import type { PaymentIntent } from '../../src/gate/intent.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import { START } from '../support/clock.ts';
import { uniqueId } from '../support/enrolled.ts';
import { signingKey } from '../support/signing-key.ts';
import type { Draft } from './payment.ts';

const stranger = signingKey('token-1');

/** One thing that is wrong with a payment. */
export interface Wrong {
  readonly what: string;
  readonly bend: (draft: Draft) => void;
  readonly reason: Reason;
  /** Whether the refusal is kept as the decision of the grant. */
  readonly kept: boolean;
}

const bendIntent =
  (change: (intent: PaymentIntent) => PaymentIntent) =>
  (draft: Draft): void => {
    const before = draft.intent;
    draft.intent = (intent) => change(before(intent));
  };

const terms = (change: Partial<TransactionTerms>) =>
  bendIntent((intent) => ({ ...intent, terms: { ...intent.terms, ...change } }));

const icc =
  (tag: string, value: string | null) =>
  (draft: Draft): void => {
    if (value === null) draft.icc.delete(tag);
    else draft.icc.set(tag, value);
  };

const notKept = (what: string, reason: Reason, bend: Wrong['bend']): Wrong => ({ what, reason, bend, kept: false });
const kept = (what: string, reason: Reason, bend: Wrong['bend']): Wrong => ({ what, reason, bend, kept: true });

/** What can be wrong with a payment that has a PIN, in the order in which the gate looks. */
export const IN_ORDER: readonly Wrong[] = [
  notKept('a token that another key signed', 'TOKEN_INVALID', (draft) => {
    draft.tokenKey = stranger;
  }),
  notKept('the token of another acquirer', 'TOKEN_AUDIENCE_MISMATCH', (draft) => {
    draft.claims = { ...draft.claims, aud: 'rival' };
  }),
  notKept('a session key that the token does not name', 'SESSION_KEY_MISMATCH', (draft) => {
    draft.sessionKey = stranger.spki;
  }),
  notKept('a signature for another purpose', 'INTENT_SIGNATURE_INVALID', (draft) => {
    draft.context = CONTEXT.beginTransaction;
  }),
  notKept('bytes that are no intent', 'MALFORMED_MESSAGE', (draft) => {
    draft.payload = Buffer.from('not an intent');
  }),
  notKept(
    'an intent for another acquirer',
    'INTENT_ACQUIRER_MISMATCH',
    bendIntent((intent) => ({ ...intent, acquirer: 'rival' })),
  ),
  notKept(
    'an intent of another session key',
    'SESSION_KEY_MISMATCH',
    bendIntent((intent) => ({ ...intent, thumbprint: stranger.thumbprint })),
  ),
  notKept('a token that expires now', 'TOKEN_INVALID', (draft) => {
    draft.claims = { ...draft.claims, exp: START.getTime() / 1000 };
  }),
  notKept(
    'a grant that does not exist',
    'GRANT_UNKNOWN',
    bendIntent((intent) => ({ ...intent, grantId: uniqueId() })),
  ),
  notKept('a revoked device', 'DEVICE_REVOKED', (draft) => {
    draft.before.push(async ({ stores, phone }) => {
      await stores.revoke(phone.deviceId);
    });
  }),
  notKept('a suspended device', 'DEVICE_SUSPENDED', (draft) => {
    draft.before.unshift(({ stores, phone }) => stores.suspend(phone.deviceId));
  }),
  notKept('a session that was ended', 'SESSION_ENDED', (draft) => {
    draft.before.unshift(({ stores, phone }) => stores.endSessions(phone.deviceId));
  }),
  kept('a grant that expires now', 'GRANT_EXPIRED', (draft) => {
    draft.grant = { ...draft.grant, issuedAt: secondsAfter(START, -120), expiresAt: START };
  }),
  kept('another amount than was granted', 'INTENT_GRANT_MISMATCH', terms({ amountMinor: 1251n })),
  kept('EMV data that ends early', 'EMV_MALFORMED', (draft) => {
    bendIntent((intent) => ({ ...intent, emvData: intent.emvData.subarray(0, -1) }))(draft);
  }),
  kept('a currency that the card did not sign', 'EMV_CURRENCY_MISMATCH', icc('5F2A', '0840')),
  kept('claims of a PIN that do not go together', 'EMV_CONTRADICTORY', icc('95', '0000008000')),
  kept('a PIN block that is held no more', 'PIN_LOST', (draft) => {
    draft.held = null;
  }),
  kept('account data that does not open', 'ACCOUNT_DATA_INVALID', (draft) => {
    draft.vaultRefuses = 'ACCOUNT_DATA_INVALID';
  }),
];

/** What else can be wrong where a PIN was entered. */
export const WITH_PIN: readonly Wrong[] = [
  kept('another currency than was granted', 'INTENT_GRANT_MISMATCH', terms({ currency: 840 })),
  kept('another merchant than was granted', 'INTENT_GRANT_MISMATCH', terms({ merchant: 'shop-2' })),
  kept('another order than was granted', 'INTENT_GRANT_MISMATCH', terms({ order: 'order-2' })),
  kept('a grant for another acquirer', 'INTENT_GRANT_MISMATCH', (draft) => {
    draft.grant = { ...draft.grant, acquirer: 'rival' };
  }),
  kept('another type than was granted', 'INTENT_GRANT_MISMATCH', terms({ type: 'refund' })),
  kept(
    'account data at another counter',
    'INTENT_GRANT_MISMATCH',
    bendIntent((intent) => ({ ...intent, accountData: { ...intent.accountData, ksn: Buffer.alloc(12, 9) } })),
  ),
  kept(
    'a PIN at another counter',
    'INTENT_GRANT_MISMATCH',
    bendIntent((intent) => ({ ...intent, pin: intent.pin && { ...intent.pin, ksn: Buffer.alloc(12, 9) } })),
  ),
  kept('EMV data without the cryptogram', 'EMV_TAG_MISSING', icc('9F26', null)),
  kept('the PAN in clear', 'EMV_TAG_FORBIDDEN', icc('5A', '4761739001010010')),
  kept('an amount that the card did not sign', 'EMV_AMOUNT_MISMATCH', icc('9F02', '000000001251')),
  kept('a type that the card did not sign', 'EMV_TYPE_MISMATCH', icc('9C', '20')),
  kept('a tap of another day', 'EMV_DATE_MISMATCH', icc('9A', '260227')),
  kept('cashback', 'EMV_AMOUNT_MISMATCH', icc('9F03', '000000001000')),
  kept('a card of an unknown scheme', 'EMV_SCHEME_UNKNOWN', icc('84', 'a0000002771010')),
  kept('an approval offline', 'EMV_OFFLINE_CRYPTOGRAM', icc('9F27', '40')),
  kept('a magnetic stripe with a PIN', 'EMV_MAGNETIC_STRIPE', icc('9F39', '91')),
  kept('a card that was inserted', 'EMV_ENTRY_MODE_NOT_ALLOWED', icc('9F39', '05')),
  kept('a PAN of another scheme than the application', 'CARD_BRAND_MISMATCH', (draft) => {
    draft.vaultRefuses = 'CARD_BRAND_MISMATCH';
  }),
  kept(
    'no PIN, though one is claimed',
    'CVM_REQUIRED',
    bendIntent((intent) => ({ ...intent, pin: null })),
  ),
  kept(
    'no PIN where one is expected',
    'CVM_REQUIRED',
    bendIntent((intent) => ({ ...intent, pin: null, claimedVerification: 'device' })),
  ),
  kept('a PIN where policy allows none', 'PIN_NOT_EXPECTED', (draft) => {
    draft.grant = { ...draft.grant, pinAllowed: false };
  }),
  kept('a PIN block that is not the one held', 'PIN_GRANT_MISMATCH', (draft) => {
    draft.held = draft.held && { ...draft.held, hash: Buffer.alloc(32, 1) };
  }),
  kept('a PIN that was entered for other account data', 'PIN_GRANT_MISMATCH', (draft) => {
    draft.held = draft.held && { ...draft.held, accountDataHash: Buffer.alloc(32, 1) };
  }),
  notKept('a PIN block under a claim of no verification', 'MALFORMED_MESSAGE', (draft) => {
    bendIntent((intent) => ({ ...intent, claimedVerification: 'none' }))(draft);
  }),
];
