import { equalBytes, sha256 } from '../encoding/digest.ts';
import { p256PublicKey, p256Thumbprint } from '../encoding/p256.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../encoding/signed.ts';
import type { HeldPinBlock } from '../pin/store.ts';
import type { Clock } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import { meaningOf, type Reason } from '../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { DeviceTokenClaims } from '../tokens/claims.ts';
import { cardReason, grantReason, INITIAL_KEY_ID_BYTES, keySetReason, standingReason } from './checks.ts';
import type { Decision, GateAnswer } from './decision.ts';
import type { PaymentIntent } from './intent.ts';
import type { DecisionStore, NewDecision, Situation } from './store.ts';
import type { GateVault, ReceiptClaims, TranslatedPayment } from './vault.ts';

/** What processing asks the gate. */
export interface PaymentRequest {
  /** The acquirer that the client certificate names. */
  readonly caller: string;
  readonly token: string;
  readonly intent: SignedBytes;
  /** SubjectPublicKeyInfo of the session key. */
  readonly sessionKey: Buffer;
}

/** What decisions stand on. */
export interface GatePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly issuer: string;
  readonly decisions: DecisionStore;
  readonly vault: GateVault;
  readonly held: VolatileStore<HeldPinBlock>;
  /** Verifies signature, issuer and audience of a token, not its expiry: a repeated intent outlives its token. */
  readonly verifyToken: (token: string, audience: string) => Result<DeviceTokenClaims>;
  readonly parseIntent: (payload: Uint8Array) => Result<PaymentIntent>;
}

/** An intent whose token and signature hold. */
interface ProvenIntent {
  readonly request: PaymentRequest;
  readonly claims: DeviceTokenClaims;
  readonly intent: PaymentIntent;
  readonly intentHash: Buffer;
}

/**
 * Decides a payment. Checks run the cheapest first; the decision is committed before it is answered; the same intent
 * gets the same decision for ever. A lost dependency is thrown and nothing is decided.
 */
export async function decidePayment(request: PaymentRequest, ports: GatePorts): Promise<GateAnswer> {
  const proven = proveIntent(request, ports);
  if (!proven.ok) return refused(proven.reason);
  const { intent, claims } = proven.value;
  const situation = await situationOf(proven.value, ports);
  if (situation === null) {
    return refused(expired(claims, ports.clock.now()) ? 'TOKEN_INVALID' : 'GRANT_UNKNOWN');
  }
  if (situation.decision !== null) return repeat(proven.value, situation, situation.decision, ports);
  if (expired(claims, ports.clock.now())) return refused('TOKEN_INVALID');
  const standing = standingReason(situation);
  if (standing !== null) return refused(standing);
  const { grant } = situation.stored;
  const held = intent.pin === null ? null : await ports.held.get(grant.id);
  const now = ports.clock.now();
  const reason = grantReason(intent, grant, now) ?? keySetReason(situation) ?? cardReason(intent, grant, held, now);
  if (reason !== null) return settle(proven.value, record(proven.value, situation, [reason], ports), null, ports);
  const translated = await ports.vault.translatePayment({
    intent: request.intent,
    sessionKey: request.sessionKey,
    grant: situation.stored.signed,
    pinBlock: held?.block ?? null,
    receipt: receiptClaims(proven.value, situation, ports),
  });
  if (!translated.ok) {
    if (!ABOUT_THE_PAYMENT.has(translated.reason)) return undecided(translated.reason);
    const refusal = record(proven.value, situation, [translated.reason], ports);
    return settle(proven.value, refusal, null, ports);
  }
  const approval: NewDecision = {
    ...record(proven.value, situation, [], ports),
    receipt: translated.value.receipt,
    cardReference: translated.value.cardReference,
  };
  return settle(proven.value, approval, translated.value, ports);
}

/** Token, session key and its signature: what is refused here leaves no trace in the store. */
function proveIntent(request: PaymentRequest, ports: GatePorts): Result<ProvenIntent> {
  const claims = ports.verifyToken(request.token, request.caller);
  if (!claims.ok) return claims;
  if (p256Thumbprint(request.sessionKey) !== claims.value.cnf.jkt) return refuse('SESSION_KEY_MISMATCH');
  const key = p256PublicKey(request.sessionKey);
  if (key === null || !verifySigned(CONTEXT.paymentIntent, request.intent, key))
    return refuse('INTENT_SIGNATURE_INVALID');
  const intent = ports.parseIntent(request.intent.payload);
  if (!intent.ok) return intent;
  if (intent.value.acquirer !== request.caller) return refuse('INTENT_ACQUIRER_MISMATCH');
  if (intent.value.thumbprint !== claims.value.cnf.jkt) return refuse('SESSION_KEY_MISMATCH');
  return ok({ request, claims: claims.value, intent: intent.value, intentHash: sha256(request.intent.payload) });
}

function situationOf({ intent, claims }: ProvenIntent, ports: GatePorts): Promise<Situation | null> {
  const initialKeyId = intent.accountData.ksn.subarray(0, INITIAL_KEY_ID_BYTES);
  return ports.decisions.situation(intent.grantId, claims.cnf.jkt, initialKeyId);
}

/** Commits a new decision; where another came first, answers that one. */
async function settle(
  proven: ProvenIntent,
  decision: NewDecision,
  translated: TranslatedPayment | null,
  ports: GatePorts,
): Promise<GateAnswer> {
  if (await ports.decisions.commit(decision)) return answer(decision, translated, false);
  const now = await situationOf(proven, ports);
  if (now === null) return refused('GRANT_UNKNOWN');
  if (now.decision !== null) return repeat(proven, now, now.decision, ports);
  return refused(standingReason(now) ?? 'COUNTER_BEHIND');
}

/** Answers a decision that stands; the vault translates again what an approval needs. */
async function repeat(
  proven: ProvenIntent,
  situation: Situation,
  decision: Decision,
  ports: GatePorts,
): Promise<GateAnswer> {
  if (!equalBytes(decision.intentHash, proven.intentHash)) return refused('INTENT_CHANGED');
  if (decision.outcome === 'refused') return { outcome: 'refused', reasons: decision.reasons };
  const held = decision.pinEntered ? await ports.held.get(situation.stored.grant.id) : null;
  const translated = await ports.vault.translatePayment({
    intent: proven.request.intent,
    sessionKey: proven.request.sessionKey,
    grant: situation.stored.signed,
    pinBlock: held?.block ?? null,
    receipt: null,
  });
  // The decision stands whatever the vault says now: without a translation there is nothing to submit, so ask again.
  if (!translated.ok) return undecided(translated.reason);
  return answer(decision, translated.value, decision.pinEntered && held === null);
}

function answer(decision: Decision, translated: TranslatedPayment | null, pinLost: boolean): GateAnswer {
  if (decision.outcome === 'refused' || translated === null) return { outcome: 'refused', reasons: decision.reasons };
  const { accountData, pinBlock } = translated;
  return { outcome: 'approved', receipt: decision.receipt, accountData, pinBlock, pinLost };
}

function record(proven: ProvenIntent, situation: Situation, reasons: readonly Reason[], ports: GatePorts): NewDecision {
  const { grant } = situation.stored;
  return {
    grantId: grant.id,
    intentHash: proven.intentHash,
    outcome: reasons.length === 0 ? 'approved' : 'refused',
    reasons,
    receipt: '',
    pinEntered: proven.intent.pin !== null,
    thumbprint: grant.thumbprint,
    deviceId: grant.deviceId,
    acquirer: grant.acquirer,
    merchant: grant.terms.merchant,
    order: grant.terms.order,
    amountMinor: grant.terms.amountMinor,
    currency: grant.terms.currency,
    sequence: grant.sequence,
    policyVersion: grant.policyVersion,
    cardReference: Buffer.alloc(0),
    decidedAt: ports.clock.now(),
  };
}

function receiptClaims(proven: ProvenIntent, situation: Situation, ports: GatePorts): ReceiptClaims {
  const { grant } = situation.stored;
  return {
    iss: ports.issuer,
    aud: grant.acquirer,
    iat: Math.floor(ports.clock.now().getTime() / 1000),
    jti: randomUuid(ports.random),
    sub: grant.deviceId,
    decision: 'approved',
    grant: grant.id,
    intent: proven.intentHash.toString('base64url'),
    merchant: grant.terms.merchant,
    order: grant.terms.order,
    amount: grant.terms.amountMinor.toString(),
    currency: grant.terms.currency,
    type: grant.terms.type,
    policy: grant.policyVersion,
  };
}

function expired(claims: DeviceTokenClaims, now: Date): boolean {
  return claims.exp * 1000 <= now.getTime();
}

/**
 * What only the vault can see of a payment. Any other refusal of the vault says that gate and vault disagree about what
 * the gate has checked already: a fault of the service, which must never become a refusal that is kept.
 */
const ABOUT_THE_PAYMENT: ReadonlySet<Reason> = new Set([
  'ACCOUNT_DATA_INVALID',
  'CARD_BRAND_MISMATCH',
  'PIN_BLOCK_MALFORMED',
  'PIN_GRANT_MISMATCH',
  'BASE_KEY_RETIRED',
  'BASE_KEY_COMPROMISED',
  'GRANT_KEY_COMPROMISED',
]);

/** Nothing is decided: with the reason where it is of that kind, else as a vault that does not answer. */
function undecided(reason: Reason): GateAnswer {
  const told = meaningOf(reason).category === 'unavailable' ? reason : 'VAULT_UNAVAILABLE';
  return { outcome: 'unavailable', reason: told };
}

function refused(reason: Reason): GateAnswer {
  return { outcome: 'refused', reasons: [reason] };
}
