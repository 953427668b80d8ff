import { cardApplication } from '../emv/card-application.ts';
import { sha256 } from '../encoding/digest.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import type { PolicyVersion } from '../policy/version.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import type { Reason } from '../reasons/catalogue.ts';
import type { DeviceTokenClaims } from '../tokens/claims.ts';
import { type DecisionFacts, type ReadFacts, recorded } from './facts.ts';
import type { PaymentIntent } from './intent.ts';
import type { GateRules } from './policy.ts';
import { grantClaims } from './receipt.ts';
import type { CardUse, NewDecision, Situation } from './store.ts';

/** What processing asks the gate. */
export interface PaymentRequest {
  /** The acquirer that the client certificate names. */
  readonly caller: string;
  readonly token: string;
  readonly intent: SignedBytes;
  /** SubjectPublicKeyInfo of the session key. */
  readonly sessionKey: Buffer;
}

/**
 * An intent whose token holds. Its signature is verified by the vault before it translates, and here before anything else
 * is answered or kept: once a payment.
 */
export interface ProvenIntent {
  readonly request: PaymentRequest;
  readonly claims: DeviceTokenClaims;
  readonly intent: PaymentIntent;
  readonly intentHash: Buffer;
}

/** A proven intent with all that is to be said of its decision. */
export interface PaymentCase {
  readonly proven: ProvenIntent;
  readonly situation: Situation;
  readonly facts: ReadFacts;
  readonly policy: PolicyVersion<GateRules>;
  readonly evidenceHash: Buffer;
  readonly decidedAt: Date;
  readonly killGeneration: bigint;
}

/** What is kept of a decision: approved where there is no reason against it. */
export function record(
  decided: PaymentCase,
  reasons: readonly Reason[],
  foundElsewhere: readonly Reason[],
): NewDecision {
  const { proven, situation, facts, policy, evidenceHash, decidedAt, killGeneration } = decided;
  const { grant, signed } = situation.stored;
  const kept: DecisionFacts = {
    payment: recorded(facts),
    keySet: situation.keySet,
    appraisalId: situation.appraisalId,
    foundElsewhere,
  };
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
    type: grant.terms.type,
    amountMinor: grant.terms.amountMinor,
    currency: grant.terms.currency,
    sequence: grant.sequence,
    policyVersion: grant.policyVersion,
    gatePolicyVersion: policy.version,
    rootGrantId: grant.sameTap?.rootId ?? grant.id,
    cardReference: Buffer.alloc(0),
    cardUse: null,
    tallies: [],
    evidenceHash,
    grantHash: sha256(signed.payload),
    facts: kept,
    decidedAt,
    killGeneration,
  };
}

/** What the receipt of a decision says, whatever was decided. */
export function receiptClaims(
  { proven, situation, policy, evidenceHash, decidedAt }: PaymentCase,
  ports: { readonly random: Random; readonly issuer: string; readonly lastCheckpoint: () => Buffer | null },
) {
  return {
    iss: ports.issuer,
    ...grantClaims(situation.stored.grant),
    iat: Math.floor(decidedAt.getTime() / 1000),
    jti: randomUuid(ports.random),
    intent: proven.intentHash.toString('base64url'),
    evidence: evidenceHash.toString('base64url'),
    gate_policy: policy.version,
    appraisal: situation.appraisalId,
    checkpoint: ports.lastCheckpoint()?.toString('base64url') ?? null,
  };
}

/** The use of the card that an appraised tap states. */
export function cardUseOf({ tap }: ReadFacts, reference: Buffer): CardUse {
  return { reference, ...cardApplication(tap.icc) };
}
