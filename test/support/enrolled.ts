import type { PlatformFacts } from '../../src/attestation/android/platform.ts';
import type { AttestedSession } from '../../src/devices/store.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { DecisionFacts } from '../../src/gate/facts.ts';
import type { NewDecision } from '../../src/gate/store.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { randomUuid } from '../../src/ports/random.ts';
import type { CounterClaim, StoredGrant } from '../../src/sessions/store.ts';
import type { TransactionGrant } from '../../src/sessions/transaction.ts';
import { encodeGrant } from '../../src/wire/transaction.ts';
import { START } from './clock.ts';
import { ATTESTED, NOTHING_AGAINST, newSession } from './facts.ts';
import { encodeIcc, iccElements } from './icc.ts';
import { SeededRandom } from './random.ts';
import { type SigningKey, signingKey } from './signing-key.ts';
import type { DurableStores } from './stores.ts';

const random = new SeededRandom('enrolled');
const serviceKey = signingKey('service-1');

/** A phone that is enrolled in the stores, with its keys. */
export interface EnrolledPhone {
  readonly deviceId: string;
  readonly inviteId: string;
  readonly codeHash: Buffer;
  readonly deviceKey: SigningKey;
  readonly sessionKey: SigningKey;
  readonly acquirer: string;
  readonly merchant: string;
}

/** A name that no other test uses. */
export const uniqueName = (prefix: string): string => `${prefix}-${random.bytes(8).toString('hex')}`;

/** A UUID that no other test uses. */
export const uniqueId = (): string => randomUuid(random);

/** Adds an open invite. */
export async function openInvite(
  stores: DurableStores,
  {
    merchant = uniqueName('shop'),
    expiresAt = secondsAfter(START, 3600),
    replaces = null,
  }: { merchant?: string; expiresAt?: Date; replaces?: string | null } = {},
): Promise<{ readonly id: string; readonly codeHash: Buffer; readonly merchant: string }> {
  const invite = { id: uniqueId(), codeHash: random.bytes(32), acquirer: 'acquirer-a', merchant, replaces, expiresAt };
  const added = await stores.invites.addInvite({ ...invite, createdBy: 'ann', createdAt: START }, 1000);
  if (added !== 'added') throw new Error(`the invite is not added: ${added}`);
  return invite;
}

/** Enrols a phone with an invite of its own. */
export async function enrolPhone(
  stores: DurableStores,
  {
    merchant,
    platform,
    pinForbidden,
    at = START,
  }: { merchant?: string; platform?: PlatformFacts; pinForbidden?: boolean; at?: Date } = {},
): Promise<EnrolledPhone> {
  const invite = await openInvite(stores, merchant === undefined ? {} : { merchant });
  const deviceId = uniqueId();
  const deviceKey = signingKey();
  const sessionKey = signingKey();
  const device = { id: deviceId, deviceKey: deviceKey.spki, attested: ATTESTED };
  const session = newSession(sessionKey, at, platform, pinForbidden);
  const { outcome } = await stores.devices.enrol(invite.id, device, session, NOTHING_AGAINST);
  if (outcome !== 'accepted') throw new Error('not enrolled');
  const { id: inviteId, codeHash } = invite;
  return { deviceId, inviteId, codeHash, deviceKey, sessionKey, acquirer: 'acquirer-a', merchant: invite.merchant };
}

/** The stored session of a phone. */
export async function sessionOf(stores: DurableStores, phone: EnrolledPhone): Promise<AttestedSession> {
  const session = await stores.devices.session(phone.sessionKey.thumbprint);
  if (session === null) throw new Error('no session');
  return session;
}

/** Offers a key set that no other test has. */
export async function offerKeySet(stores: DurableStores, deviceId: string, expiresAt = secondsAfter(START, 86_400)) {
  const ids = { pinInitialKeyId: random.bytes(8), accountDataInitialKeyId: random.bytes(8) };
  const set = { id: uniqueId(), deviceId, ...ids, expiresAt };
  await stores.keySets.addOffered({ ...set, binding: random.bytes(16) }, START);
  return set;
}

/** Gives a phone active keys; their counters stand at 1. */
export async function activateKeySet(stores: DurableStores, deviceId: string, expiresAt?: Date) {
  const set = await offerKeySet(stores, deviceId, expiresAt);
  if ((await stores.keySets.activate(set.id, deviceId, START)) === null) throw new Error('not activated');
  return set;
}

/** A claim of the next counters after those that an activation leaves, with changes. */
export async function claimOf(stores: DurableStores, phone: EnrolledPhone, over: Partial<CounterClaim> = {}) {
  const { pinInitialKeyId, accountDataInitialKeyId } = await activateKeySet(stores, phone.deviceId);
  const claim: CounterClaim = {
    deviceId: phone.deviceId,
    thumbprint: phone.sessionKey.thumbprint,
    pinInitialKeyId,
    accountDataInitialKeyId,
    pinCounter: 2,
    accountDataCounter: 2,
    window: 10,
    maximumTransactions: 100,
  };
  return { ...claim, ...over };
}

/** Adds a grant for a phone, signed by a service key. */
export async function addGrant(
  stores: DurableStores,
  phone: EnrolledPhone,
  over: Partial<TransactionGrant> = {},
  signer: SigningKey = serviceKey,
): Promise<StoredGrant> {
  const grant: TransactionGrant = {
    id: uniqueId(),
    nonce: random.bytes(16),
    deviceId: phone.deviceId,
    thumbprint: phone.sessionKey.thumbprint,
    acquirer: phone.acquirer,
    terms: { type: 'sale', amountMinor: 1250n, currency: 978, merchant: phone.merchant, order: 'order-1' },
    pinKsn: random.bytes(12),
    accountDataKsn: random.bytes(12),
    sequence: 1n,
    expectedVerification: 'none',
    pinAllowed: true,
    issuedAt: START,
    expiresAt: secondsAfter(START, 120),
    policyVersion: 'policy-1',
    sameTap: null,
    ...over,
  };
  const stored = { grant, signed: signer.sign(CONTEXT.grant, encodeGrant(grant)) };
  await stores.grants.addGrant(stored);
  return stored;
}

/** Facts of a payment that is as its grant says. */
export function factsOfGrant(grant: TransactionGrant): DecisionFacts {
  return {
    payment: {
      acquirer: grant.acquirer,
      terms: grant.terms,
      accountDataKsn: grant.accountDataKsn,
      pinKsn: null,
      pin: 'none',
      claimedVerification: 'none',
      tap: { emvData: encodeIcc(iccElements(grant.terms)) },
      tapHash: random.bytes(32),
    },
    keySet: null,
    appraisalId: null,
    foundElsewhere: [],
  };
}

/** A decision under a grant: an approval, with changes. */
export function decisionOf({ grant, signed }: StoredGrant, over: Partial<NewDecision> = {}): NewDecision {
  return {
    grantId: grant.id,
    intentHash: sha256(random.bytes(16)),
    outcome: 'approved',
    reasons: [],
    receipt: `receipt of ${random.bytes(8).toString('hex')}`,
    pinEntered: false,
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
    gatePolicyVersion: 'policy-2',
    killGeneration: 1n,
    rootGrantId: grant.sameTap?.rootId ?? grant.id,
    cardReference: random.bytes(16),
    cardUse: { reference: random.bytes(16), application: 'a0000000041010-', counter: 7, cryptogram: random.bytes(8) },
    tallies: [],
    evidenceHash: random.bytes(32),
    grantHash: sha256(signed.payload),
    facts: factsOfGrant(grant),
    decidedAt: START,
    ...over,
  };
}
