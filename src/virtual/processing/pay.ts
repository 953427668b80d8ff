import type { KeyObject } from 'node:crypto';
import type { Logger } from 'pino';
import { sha256 } from '../../encoding/digest.ts';
import { p256PublicKey, p256Thumbprint } from '../../encoding/p256.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../../encoding/signed.ts';
import type { PaymentIntent } from '../../gate/intent.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { ReportedOutcome } from '../../sessions/same-tap.ts';
import { decodeIntent } from '../../wire/transaction.ts';
import type { DeclineReason, Issuer } from './issuer.ts';
import type { ApprovedAttempt, Order, OrderAttempt, OrderLedger } from './orders.ts';
import { type VerifiedReceipt, verifyReceipt } from './receipt.ts';
import { Turns } from './turns.ts';
import { openZoneData, type ZoneKeys } from './zone-keys.ts';

/** What a phone submits. */
export interface PaymentSubmission {
  readonly deviceToken: string;
  readonly intent: SignedBytes;
  /** SubjectPublicKeyInfo of the session key. */
  readonly sessionKey: Buffer;
}

/** An approval of the gate. */
export interface GateApproval {
  readonly outcome: 'approved';
  readonly receipt: string;
  readonly accountData: {
    readonly keyId: string;
    readonly initializationVector: Buffer;
    readonly ciphertext: Buffer;
  };
  readonly pinBlock: { readonly keyId: string; readonly block: Buffer } | null;
  readonly pinLost: boolean;
}

/** What the gate answers. */
export type GateDecision =
  | GateApproval
  /** Approved before; its account data is given to nobody any more. */
  | { readonly outcome: 'data-lost'; readonly reasons: readonly Reason[] }
  | { readonly outcome: 'refused'; readonly reasons: readonly Reason[] }
  | { readonly outcome: 'unavailable'; readonly reasons: readonly Reason[] };

/** What became of a payment at its issuer. */
export interface ReportedPayment {
  readonly grantId: string;
  /** SHA-256 of the intent's bytes. */
  readonly intentHash: Buffer;
  readonly outcome: ReportedOutcome;
}

/** That a tap may be paid again with another PIN. */
export interface PinAgain {
  readonly parentGrantId: string;
  readonly pinTriesLeft: number;
}

/** The gate. It may also reject: the connection is lost, and nothing is known of a decision. */
export interface PaymentGate {
  authorizePayment(submission: PaymentSubmission): Promise<GateDecision>;
  /** Says what became of a payment; answers whether its tap may be paid again. */
  reportOutcome(report: ReportedPayment): Promise<PinAgain | null>;
}

/** The service's public keys that sign receipts, by key id. Rejects where there are none to be had. */
export interface ReceiptKeySource {
  /** `sought`: an id that was missing among the keys answered before. */
  keys(sought?: string): Promise<ReadonlyMap<string, KeyObject>>;
}

/** What processing is made of. */
export interface ProcessingPorts {
  readonly clock: Clock;
  readonly gate: PaymentGate;
  readonly receiptKeys: ReceiptKeySource;
  /** `iss` of the gate's receipts. */
  readonly receiptIssuer: string;
  readonly zone: ZoneKeys;
  readonly issuer: Issuer;
  readonly ledger: OrderLedger;
  readonly logger: Logger;
}

/** What the phone is answered. `unavailable`: nothing is known to be decided; the same submission may be sent again. */
export type PaymentAnswer =
  | { readonly outcome: 'paid'; readonly balanceMinor: bigint; readonly receipt: string }
  | { readonly outcome: 'unavailable'; readonly reasons: readonly Reason[] }
  | {
      readonly outcome: 'refused' | 'declined';
      readonly reasons: readonly Reason[];
      /** Given where the phone may pay the same tap again with another PIN. */
      readonly again?: PinAgain;
    };

/** Refusals of a caller who did not prove to be a phone with this grant: nothing of them is kept. */
const UNPROVEN: ReadonlySet<Reason> = new Set<Reason>([
  'MALFORMED_MESSAGE',
  'TOKEN_INVALID',
  'TOKEN_AUDIENCE_MISMATCH',
  'SESSION_KEY_MISMATCH',
  'INTENT_SIGNATURE_INVALID',
  'INTENT_ACQUIRER_MISMATCH',
  'GRANT_UNKNOWN',
]);
/** Declines that the issuer takes back for a PIN, or for another one: response codes 65 or 70, and 55. */
const OUTCOME_OF: Readonly<Partial<Record<DeclineReason, ReportedOutcome>>> = {
  PIN_REQUIRED: 'pin-required',
  PIN_WRONG: 'pin-wrong',
};
/** Tag 9F02 has 12 digits. */
const MOST_MINOR_UNITS = 999_999_999_999n;

/** A submission whose signature holds. */
interface SignedPayment {
  readonly intent: PaymentIntent;
  readonly attempt: OrderAttempt;
}

/** An approval whose receipt holds, and its account data in clear. */
interface ApprovedPayment {
  readonly intent: PaymentIntent;
  readonly attempt: ApprovedAttempt;
  readonly accountData: SecretBytes;
  readonly pinBlock: Buffer | null;
  readonly pinLost: boolean;
}

/**
 * An acquirer's processing: gate, receipt, issuer, ledger, in this order. Nothing goes to the issuer without an approval
 * whose receipt was verified, and an order is paid once.
 */
export class PaymentProcessing {
  readonly #ports: ProcessingPorts;
  readonly #turns = new Turns();

  constructor(ports: ProcessingPorts) {
    this.#ports = ports;
  }

  /** Pays an order, or says why not. Whatever is lost on the way is `unavailable`; it never rejects. */
  async submit(submission: PaymentSubmission): Promise<PaymentAnswer> {
    try {
      return await this.#submit(submission);
    } catch (error) {
      this.#ports.logger.error({ err: error }, 'payment not decided');
      return { outcome: 'unavailable', reasons: ['SERVICE_UNAVAILABLE'] };
    }
  }

  async #submit(submission: PaymentSubmission): Promise<PaymentAnswer> {
    const signed = readSubmission(submission, this.#ports.zone.acquirer);
    if (!signed.ok) return { outcome: 'refused', reasons: [signed.reason] };
    const { attempt } = signed.value;
    const known = this.#ports.ledger.find(attempt);
    if (known !== null && this.#isSettledFor(known, attempt)) return this.#answerOf(known);
    const decision = await this.#ports.gate.authorizePayment(submission);
    if (decision.outcome === 'unavailable') return decision;
    if (decision.outcome === 'refused') {
      if (!decision.reasons.some((reason) => UNPROVEN.has(reason))) {
        this.#ports.ledger.refuse(attempt, this.#ports.clock.now());
      }
      if (!decision.reasons.includes('PIN_LOST')) return decision;
      return { ...decision, ...(await this.#reported(signed.value, 'pin-lost')) };
    }
    const name = JSON.stringify([attempt.merchant, attempt.order]);
    if (decision.outcome === 'data-lost') {
      return await this.#turns.take(name, () => this.#end(signed.value, decision.reasons));
    }
    const approved = await this.#openApproval(signed.value, decision);
    if (!approved.ok) {
      this.#ports.logger.error({ order: attempt.order, detail: approved.detail }, 'an approval that does not hold');
      return { outcome: 'unavailable', reasons: ['SERVICE_UNAVAILABLE'] };
    }
    const { accountData } = approved.value;
    try {
      return await this.#turns.take(name, () => this.#settle(approved.value));
    } finally {
      accountData.wipe();
    }
  }

  /** True where the caller is told what stands without asking the gate: it holds the key that signed the order's intent. */
  #isSettledFor(order: Order, attempt: OrderAttempt): boolean {
    if (order.thumbprint !== attempt.thumbprint) return false;
    return order.state === 'paid' || (order.state === 'declined' && order.intentHash.equals(attempt.intentHash));
  }

  async #openApproval(payment: SignedPayment, approval: GateApproval): Promise<Result<ApprovedPayment, 'UNPROVEN'>> {
    const { zone } = this.#ports;
    const { intent, attempt } = payment;
    const receipt = await this.#verifyReceipt(payment, approval.receipt);
    if (!receipt.ok) return refuse('UNPROVEN', `receipt: ${receipt.reason} ${receipt.detail ?? ''}`);
    const { accountData, pinBlock, pinLost } = approval;
    if (pinBlock !== null && !receipt.value.pin)
      return refuse('UNPROVEN', 'a PIN block that the receipt does not know');
    if (pinBlock !== null && pinBlock.keyId !== zone.pin.keyId) return refuse('UNPROVEN', 'another zone PIN key');
    if (accountData.keyId !== zone.data.keyId) return refuse('UNPROVEN', 'another zone data key');
    const clear = openZoneData(zone.data, accountData, attempt.intentHash);
    if (clear === null) return refuse('UNPROVEN', 'account data does not open');
    return ok({
      intent,
      attempt: { ...attempt, receipt: approval.receipt, cardReference: receipt.value.cardReference },
      accountData: clear,
      pinBlock: pinBlock?.block ?? null,
      pinLost: pinLost || (receipt.value.pin && pinBlock === null),
    });
  }

  async #verifyReceipt({ intent, attempt }: SignedPayment, compact: string): Promise<Result<VerifiedReceipt, string>> {
    const { receiptKeys, receiptIssuer, zone } = this.#ports;
    const { grantId, terms } = intent;
    const { intentHash } = attempt;
    const expected = { issuer: receiptIssuer, acquirer: zone.acquirer, grantId, intentHash, terms };
    const verified = verifyReceipt(compact, expected, await receiptKeys.keys());
    if (verified.ok || verified.reason !== 'JWS_KEY_UNKNOWN') return verified;
    return verifyReceipt(compact, expected, await receiptKeys.keys(keyIdOf(compact)));
  }

  /** Issuer and ledger. One payment of an order at a time. */
  async #settle(payment: ApprovedPayment): Promise<PaymentAnswer> {
    const { ledger, issuer, clock } = this.#ports;
    const { attempt } = payment;
    const admission = ledger.admit(attempt, clock.now());
    if (admission.kind === 'settled') return this.#answerOf(admission.order);
    if (admission.kind === 'open') {
      // What became of the other intent at the issuer is not known: it is undone before this one is submitted.
      await issuer.reverse(admission.intentHash);
      if (!ledger.supersede(attempt, admission.intentHash, clock.now())) return this.#whatStands(attempt);
    }
    const answer = await issuer.authorise({
      authorisationId: attempt.intentHash,
      terms: payment.intent.terms,
      emvData: payment.intent.emvData,
      accountData: payment.accountData,
      pinBlock: payment.pinBlock,
    });
    if (answer.decision === 'approved') {
      ledger.pay(attempt, answer.pinVerified, clock.now());
      await this.#reported(payment, 'approved');
      return this.#whatStands(attempt);
    }
    this.#ports.logger.info({ order: attempt.order, reason: answer.reason }, 'declined by the issuer');
    // Submitted before, when a PIN was still at hand: that authorisation may stand.
    if (admission.kind === 'resume') await issuer.reverse(attempt.intentHash);
    ledger.decline(attempt, clock.now());
    const again = await this.#reported(
      payment,
      payment.pinLost ? 'pin-lost' : (OUTCOME_OF[answer.reason] ?? 'declined'),
    );
    return { outcome: 'declined', reasons: payment.pinLost ? ['PIN_LOST'] : [], ...again };
  }

  /** Ends an approved attempt that cannot be submitted any more. Where it was, and nothing came of it, it is undone. */
  async #end(payment: SignedPayment, reasons: readonly Reason[]): Promise<PaymentAnswer> {
    const { ledger, issuer, clock } = this.#ports;
    const { attempt } = payment;
    const known = ledger.find(attempt);
    const isThis = known?.intentHash.equals(attempt.intentHash) ?? false;
    if (known !== null && isThis && known.state === 'paid') return this.#answerOf(known);
    if (isThis && known?.state === 'submitted') {
      await issuer.reverse(attempt.intentHash);
      ledger.decline(attempt, clock.now());
    } else {
      ledger.refuse(attempt, clock.now());
    }
    await this.#reported(payment, 'declined');
    return { outcome: 'declined', reasons };
  }

  /** Reports to the gate; an outcome that it does not take in costs the phone another tap, and nothing else. */
  async #reported(
    { intent, attempt }: SignedPayment,
    outcome: ReportedOutcome,
  ): Promise<{ readonly again?: PinAgain }> {
    try {
      const again = await this.#ports.gate.reportOutcome({
        grantId: intent.grantId,
        intentHash: attempt.intentHash,
        outcome,
      });
      return again === null ? {} : { again };
    } catch (error) {
      this.#ports.logger.warn({ err: error, order: attempt.order }, 'outcome not reported');
      return {};
    }
  }

  #whatStands(attempt: OrderAttempt): PaymentAnswer {
    const order = this.#ports.ledger.find(attempt);
    if (order?.state === 'paid') return this.#answerOf(order);
    throw new Error('the order was taken over by another process');
  }

  #answerOf({ state, merchant, currency, receipt }: Order): PaymentAnswer {
    if (state !== 'paid') return { outcome: 'declined', reasons: [] };
    return { outcome: 'paid', balanceMinor: this.#ports.ledger.balance(merchant, currency), receipt };
  }
}

/** Reads a submission: intent, signature, and what this processing takes at all. */
function readSubmission({ intent: signed, sessionKey }: PaymentSubmission, acquirer: string): Result<SignedPayment> {
  const decoded = decodeIntent(signed.payload);
  if (!decoded.ok) return decoded;
  const intent = decoded.value;
  const thumbprint = p256Thumbprint(sessionKey);
  if (thumbprint === null || thumbprint !== intent.thumbprint) return refuse('SESSION_KEY_MISMATCH');
  const key = p256PublicKey(sessionKey);
  if (key === null || !verifySigned(CONTEXT.paymentIntent, signed, key)) return refuse('INTENT_SIGNATURE_INVALID');
  if (intent.acquirer !== acquirer) return refuse('INTENT_ACQUIRER_MISMATCH');
  const { type, amountMinor, currency, merchant, order } = intent.terms;
  // A wallet is topped up: a sale of some amount, nothing else.
  if (type !== 'sale' || amountMinor <= 0n || amountMinor > MOST_MINOR_UNITS)
    return refuse('MALFORMED_MESSAGE', 'terms');
  const intentHash = sha256(signed.payload);
  return ok({ intent, attempt: { merchant, order, amountMinor, currency, intentHash, thumbprint } });
}

/** The key id that a JWS's header names; the header was read and refused for its key only. */
function keyIdOf(compact: string): string {
  const header: unknown = JSON.parse(Buffer.from(compact.split('.')[0] ?? '', 'base64url').toString('utf8'));
  return String((header as { readonly kid?: unknown }).kid);
}
