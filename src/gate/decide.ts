import { paymentEvidenceHash } from '../encoding/contexts.ts';
import { equalBytes, sha256 } from '../encoding/digest.ts';
import { p256PublicKey, p256Thumbprint } from '../encoding/p256.ts';
import { CONTEXT, verifySigned } from '../encoding/signed.ts';
import type { HeldPinBlock } from '../pin/store.ts';
import type { PolicyVersion } from '../policy/version.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import { meaningOf, type Reason } from '../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { DeviceTokenClaims } from '../tokens/claims.ts';
import { cardUseOf, type PaymentCase, type PaymentRequest, type ProvenIntent, receiptClaims, record } from './case.ts';
import { INITIAL_KEY_ID_BYTES, paymentReason, standingReason } from './checks.ts';
import type { Decision, GateAnswer } from './decision.ts';
import { factsOf } from './facts.ts';
import { guardOf, judgeFound } from './guard.ts';
import type { PaymentIntent } from './intent.ts';
import { appraiseKills, type GateKills, haveKillsMoved } from './kills.ts';
import { type Seller, tallyEntries } from './limits.ts';
import type { GateRules } from './policy.ts';
import type { ApprovalClaims, RefusalClaims } from './receipt.ts';
import type { DecisionStore, NewDecision, Situation } from './store.ts';
import type { GateVault, TranslatedPayment } from './vault.ts';

/** What decisions stand on. */
export interface GatePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly issuer: string;
  readonly decisions: DecisionStore;
  readonly vault: GateVault;
  readonly held: VolatileStore<HeldPinBlock>;
  /** Null while this replica cannot know which version is in force: nothing new is decided then. */
  readonly policy: (subject: Seller) => PolicyVersion<GateRules> | null;
  /** Hash of the last checkpoint of the audit log; null before the first. */
  readonly lastCheckpoint: () => Buffer | null;
  readonly kills: GateKills;
  /** Told how each payment is judged, for candidates of policy. */
  readonly onJudged?: (subject: Seller, judge: (policy: GateRules) => Reason | null) => void;
  /** Verifies signature, issuer and audience of a token, not its expiry: a repeated intent outlives its token. */
  readonly verifyToken: (token: string, audience: string) => Result<DeviceTokenClaims>;
  readonly parseIntent: (payload: Uint8Array) => Result<PaymentIntent>;
}

/**
 * Decides a payment. Checks run the cheapest first; the decision is committed before it is answered; the same intent
 * gets the same decision for ever. A lost dependency is thrown and nothing is decided.
 */
export async function decidePayment(request: PaymentRequest, ports: GatePorts): Promise<GateAnswer> {
  const proven = proveIntent(request, ports);
  if (!proven.ok) return refusedAs(proven.reason);
  const { intent, claims } = proven.value;
  const refused = (reason: Reason): GateAnswer => refusedAs(unsignedReason(request) ?? reason);
  const situation = await situationOf(proven.value, ports);
  if (situation === null) {
    return refused(expired(claims, ports.clock.now()) ? 'TOKEN_INVALID' : 'GRANT_UNKNOWN');
  }
  if (situation.decision !== null) return repeat(proven.value, situation, situation.decision, ports);
  if (expired(claims, ports.clock.now())) return refused('TOKEN_INVALID');
  const standing = standingReason(situation);
  if (standing !== null) return refused(standing);
  const { grant, signed } = situation.stored;
  const kills = await appraiseKills(grant, intent.pin !== null, ports.kills);
  if (kills.reason === 'SERVICE_UNAVAILABLE') return undecided(kills.reason);
  if (kills.reason !== null) return refused(kills.reason);
  const held = intent.pin === null ? null : await ports.held.get(grant.id);
  const { deviceId, acquirer, terms } = grant;
  const inForce = ports.policy({ deviceId, acquirer, merchant: terms.merchant });
  if (inForce === null) return undecided('SERVICE_UNAVAILABLE');
  const decided: PaymentCase = {
    proven: proven.value,
    situation,
    facts: factsOf(intent, held),
    policy: inForce,
    evidenceHash: paymentEvidenceHash(request.intent, request.sessionKey, signed),
    decidedAt: ports.clock.now(),
    killGeneration: kills.generation,
  };
  const judge = (policy: GateRules): Reason | null =>
    paymentReason(decided.facts, grant, situation.keySet, policy, decided.decidedAt);
  const reason = judge(decided.policy.document);
  const onJudged = (): void => ports.onJudged?.({ deviceId, acquirer, merchant: terms.merchant }, judge);
  if (reason === null) return approve(decided, held, onJudged, ports);
  const unsigned = unsignedReason(request);
  if (unsigned !== null) return refusedAs(unsigned);
  onJudged();
  return refusePayment(decided, reason, [], ports);
}

/** Has the vault translate what nothing speaks against, and commits the approval. */
async function approve(
  decided: PaymentCase,
  held: HeldPinBlock | null,
  onJudged: () => void,
  ports: GatePorts,
): Promise<GateAnswer> {
  const { proven, situation, policy } = decided;
  const claims: ApprovalClaims = { ...receiptClaims(decided, ports), decision: 'approved' };
  const translated = await ports.vault.translatePayment({
    intent: proven.request.intent,
    sessionKey: proven.request.sessionKey,
    grant: situation.stored.signed,
    pinBlock: held?.block ?? null,
    receipt: claims,
  });
  if (!translated.ok) {
    const { reason } = translated;
    const unsigned = unsignedReason(proven.request);
    if (unsigned !== null) return refusedAs(unsigned);
    if (ABOUT_THE_PAYMENT.has(reason)) onJudged();
    return ABOUT_THE_PAYMENT.has(reason) ? refusePayment(decided, reason, [reason], ports) : undecided(reason);
  }
  onJudged();
  const { receipt, cardReference } = translated.value;
  const cardUse = cardUseOf(decided.facts, cardReference);
  const { grant } = situation.stored;
  const { deviceId, acquirer, terms } = grant;
  const seller = { deviceId, acquirer, merchant: terms.merchant };
  const unsettled = record(decided, [], []);
  const entries = tallyEntries(seller, terms, policy.document, decided.decidedAt);
  // A tap counts with its first approval. No grant of a tap is issued before the last one of it is decided.
  const counted = grant.sameTap !== null && entries.length > 0 && (await ports.decisions.tapApproved(unsettled));
  const approval: NewDecision = {
    ...unsettled,
    receipt,
    cardReference,
    cardUse,
    tallies: counted ? [] : entries,
  };
  const guard = guardOf(approval, terms, policy.document);
  // A frozen process that wakes here has no lease any more.
  if (!ports.kills.guard.isOpen) return undecided('SERVICE_UNAVAILABLE');
  const kept = await ports.kills.guard.passage(() =>
    guard === null
      ? ports.decisions.commit(approval)
      : ports.decisions.commitGuarded(approval, guard, (found) => judgeFound(approval, terms, policy.document, found)),
  );
  if (kept === true) return answer(approval, translated.value, false);
  if (kept !== false) return refusePayment(decided, kept, [kept], ports);
  const overtaken = await whatStands(decided, ports);
  if (overtaken !== null) return overtaken;
  if (!(await ports.decisions.usedByOther(cardUse, approval.rootGrantId))) return refusedAs('COUNTER_BEHIND');
  return refusePayment(decided, 'CARD_COUNTER_REPEATED', ['CARD_COUNTER_REPEATED'], ports);
}

/** Commits a refusal, with its receipt. */
async function refusePayment(
  decided: PaymentCase,
  reason: Reason,
  foundElsewhere: readonly Reason[],
  ports: GatePorts,
): Promise<GateAnswer> {
  const { proven, situation } = decided;
  const claims: RefusalClaims = { ...receiptClaims(decided, ports), decision: 'refused', reasons: [reason] };
  const signed = await ports.vault.signRefusal({
    intent: proven.request.intent,
    sessionKey: proven.request.sessionKey,
    grant: situation.stored.signed,
    claims,
  });
  // The vault signs nothing about a grant whose key is compromised; that refusal stands without a receipt.
  if (!signed.ok && signed.reason !== 'GRANT_KEY_COMPROMISED') return undecided(signed.reason);
  const refusal = { ...record(decided, [reason], foundElsewhere), receipt: signed.ok ? signed.value : '' };
  const kept = await ports.kills.guard.passage(() => ports.decisions.commit(refusal));
  if (kept) return answer(refusal, null, false);
  return (await whatStands(decided, ports)) ?? refusedAs('COUNTER_BEHIND');
}

/**
 * Why a decision was not kept: another stands, device or session no longer do, or kill switches have moved, and the payment
 * is decided anew. Null where it is none of these.
 */
async function whatStands({ proven, killGeneration }: PaymentCase, ports: GatePorts): Promise<GateAnswer | null> {
  const now = await situationOf(proven, ports);
  if (now === null) return refusedAs('GRANT_UNKNOWN');
  if (now.decision !== null) return repeat(proven, now, now.decision, ports);
  const standing = standingReason(now);
  if (standing !== null) return refusedAs(standing);
  return (await haveKillsMoved(killGeneration, ports.kills)) ? decidePayment(proven.request, ports) : null;
}

/** Token, session key, and that both are the intent's. */
function proveIntent(request: PaymentRequest, ports: GatePorts): Result<ProvenIntent> {
  const claims = ports.verifyToken(request.token, request.caller);
  if (!claims.ok) return claims;
  if (p256Thumbprint(request.sessionKey) !== claims.value.cnf.jkt) return refuse('SESSION_KEY_MISMATCH');
  const intent = ports.parseIntent(request.intent.payload);
  const reason = intent.ok ? partyReason(intent.value, request.caller, claims.value) : intent.reason;
  if (!intent.ok || reason !== null) return refuse(unsignedReason(request) ?? reason ?? 'MALFORMED_MESSAGE');
  return ok({ request, claims: claims.value, intent: intent.value, intentHash: sha256(request.intent.payload) });
}

/** The first reason for which an intent is not of this acquirer and session, or null. */
function partyReason(intent: PaymentIntent, caller: string, claims: DeviceTokenClaims): Reason | null {
  if (intent.acquirer !== caller) return 'INTENT_ACQUIRER_MISMATCH';
  return intent.thumbprint === claims.cnf.jkt ? null : 'SESSION_KEY_MISMATCH';
}

/**
 * Why an intent counts for nothing, or null where the session key has signed it. Asked before whatever else there is to
 * say of a payment: nobody learns or leaves anything by an intent that its phone did not sign.
 */
function unsignedReason({ intent, sessionKey }: PaymentRequest): Reason | null {
  const key = p256PublicKey(sessionKey);
  return key !== null && verifySigned(CONTEXT.paymentIntent, intent, key) ? null : 'INTENT_SIGNATURE_INVALID';
}

function situationOf({ intent, claims }: ProvenIntent, ports: GatePorts): Promise<Situation | null> {
  const initialKeyId = intent.accountData.ksn.subarray(0, INITIAL_KEY_ID_BYTES);
  return ports.decisions.situation(intent.grantId, claims.cnf.jkt, initialKeyId);
}

/** Answers a decision that stands; the vault translates again what an approval needs. */
async function repeat(
  proven: ProvenIntent,
  situation: Situation,
  decision: Decision,
  ports: GatePorts,
): Promise<GateAnswer> {
  const changed = !equalBytes(decision.intentHash, proven.intentHash);
  if (changed || decision.outcome === 'refused') {
    const unsigned = unsignedReason(proven.request);
    if (unsigned !== null) return refusedAs(unsigned);
    return changed ? refusedAs('INTENT_CHANGED') : answer(decision, null, false);
  }
  const held = decision.pinEntered ? await ports.held.get(situation.stored.grant.id) : null;
  const translate = (block: Buffer | null): Promise<Result<TranslatedPayment>> =>
    ports.vault.translatePayment({
      intent: proven.request.intent,
      sessionKey: proven.request.sessionKey,
      grant: situation.stored.signed,
      pinBlock: block,
      receipt: null,
    });
  let pinBlock = held?.block ?? null;
  let translated = await translate(pinBlock);
  if (pinBlock !== null && !translated.ok && LOST_FOR_EVER.has(translated.reason)) {
    // Of the two base derivation keys it may be that of PINs alone.
    pinBlock = null;
    translated = await translate(null);
  }
  if (translated.ok) return answer(decision, translated.value, decision.pinEntered && pinBlock === null);
  const unsigned = unsignedReason(proven.request);
  if (unsigned !== null) return refusedAs(unsigned);
  // The decision stands whatever the vault says now. What may come back is asked for again; what is gone is told.
  const { reason } = translated;
  return LOST_FOR_EVER.has(reason) ? withoutData(decision, reason) : undecided(reason);
}

/** An approval that stands, and of which nothing is left to submit. */
function withoutData({ receipt }: Decision, reason: Reason): GateAnswer {
  return {
    outcome: 'approved',
    receipt,
    accountData: null,
    pinBlock: null,
    pinLost: false,
    accountDataLost: reason,
  };
}

function answer(decision: Decision, translated: TranslatedPayment | null, pinLost: boolean): GateAnswer {
  if (decision.outcome === 'refused' || translated === null)
    return { outcome: 'refused', reasons: decision.reasons, receipt: decision.receipt };
  const { accountData, pinBlock } = translated;
  return { outcome: 'approved', receipt: decision.receipt, accountData, pinBlock, pinLost, accountDataLost: null };
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

/**
 * What the vault says of a repeat, and will for ever: keys that are retired do for repeats, and of these states there is no
 * way back.
 */
const LOST_FOR_EVER: ReadonlySet<Reason> = new Set([
  'BASE_KEY_RETIRED',
  'BASE_KEY_COMPROMISED',
  'GRANT_KEY_COMPROMISED',
  'GRANT_KEY_DESTROYED',
]);

/** Nothing is decided: with the reason where it is of that kind, else as a vault that does not answer. */
function undecided(reason: Reason): GateAnswer {
  const told = meaningOf(reason).category === 'unavailable' ? reason : 'VAULT_UNAVAILABLE';
  return { outcome: 'unavailable', reason: told };
}

function refusedAs(reason: Reason): GateAnswer {
  return { outcome: 'refused', reasons: [reason], receipt: '' };
}
