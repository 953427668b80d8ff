import { accountDataHash } from '../../src/encoding/contexts.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { CONTEXT, type SigningContext } from '../../src/encoding/signed.ts';
import type { PaymentRequest } from '../../src/gate/case.ts';
import type { GatePorts } from '../../src/gate/decide.ts';
import type { PaymentIntent } from '../../src/gate/intent.ts';
import type { HeldPinBlock } from '../../src/pin/store.ts';
import { versionOf } from '../../src/policy/version.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import type { StoredGrant } from '../../src/sessions/store.ts';
import type { TransactionGrant } from '../../src/sessions/transaction.ts';
import { MemoryVolatileStore } from '../../src/store/volatile/memory.ts';
import { DEVICE_TOKEN_TYPE, type DeviceTokenClaims, deviceTokenClaims } from '../../src/tokens/claims.ts';
import { verifyTokenOfAnyAge } from '../../src/tokens/verify.ts';
import { decodeIntent, encodeIntent } from '../../src/wire/transaction.ts';
import { START, TestClock } from '../support/clock.ts';
import { addGrant, type EnrolledPhone, enrolPhone, uniqueId } from '../support/enrolled.ts';
import { gateRules } from '../support/gate-rules.ts';
import { encodeIcc, iccElements, iccWithPin } from '../support/icc.ts';
import { compactJws } from '../support/jws.ts';
import { gateKills } from '../support/kills.ts';
import { SeededRandom } from '../support/random.ts';
import type { SigningKey } from '../support/signing-key.ts';
import { MemoryStores } from '../support/stores.ts';
import { APPRAISED } from '../support/tokens.ts';
import { SigningVault } from '../support/vault.ts';

export const ISSUER = 'https://tapgate.example';

const random = new SeededRandom('payments');

/** A payment before anything of it is signed or stored: what a test bends. */
export interface Draft {
  claims: DeviceTokenClaims;
  /** Signs the token. */
  tokenKey: SigningKey;
  grant: Partial<TransactionGrant>;
  /** Changed after it was made to fit the grant. */
  intent: (intent: PaymentIntent) => PaymentIntent;
  /** By tag, in hex. */
  icc: Map<string, string>;
  /** Sent in the place of the intent's own bytes. */
  payload: Buffer | null;
  context: SigningContext;
  /** Sent in the place of the phone's session key. */
  sessionKey: Buffer;
  /** The PIN block that is held, or null where none is. */
  held: HeldPinBlock | null;
  vaultRefuses: Reason | null;
  /** Done once the grant is stored, before the gate is asked. */
  before: ((payment: Payment) => Promise<void> | void)[];
}

/** A payment that is ready to be decided. */
export interface Payment {
  readonly request: PaymentRequest;
  readonly ports: GatePorts;
  readonly phone: EnrolledPhone;
  readonly stored: StoredGrant;
  readonly stores: MemoryStores;
  readonly clock: TestClock;
  readonly vault: SigningVault;
  readonly held: MemoryVolatileStore<HeldPinBlock>;
  /** The same request with another intent under the same grant. */
  withIntent(change: (intent: PaymentIntent) => PaymentIntent): PaymentRequest;
  /** The decision that stands, or null. */
  decision(): Promise<StoredDecision>;
}

type StoredDecision = NonNullable<Awaited<ReturnType<MemoryStores['decisions']['situation']>>>['decision'] | null;

const PIN_BLOCK = Buffer.alloc(16, 0x5b);
const ACCOUNT_DATA = {
  ksn: random.bytes(12),
  initializationVector: random.bytes(12),
  ciphertext: random.bytes(64),
};

const heldBlock = (grantId: string): HeldPinBlock => ({
  grantId,
  pinGrantId: 'pin-grant-1',
  hash: sha256(PIN_BLOCK),
  block: PIN_BLOCK,
  accountDataHash: accountDataHash(ACCOUNT_DATA.ksn, ACCOUNT_DATA.initializationVector, ACCOUNT_DATA.ciphertext),
  heldUntil: secondsAfter(START, 120),
});

/** An honest payment, bent as told; with a PIN where asked for. */
export async function payment({
  withPin = false,
  bend = [],
}: {
  withPin?: boolean;
  bend?: readonly ((draft: Draft) => void)[];
} = {}): Promise<Payment> {
  const stores = new MemoryStores();
  const clock = new TestClock();
  const vault = new SigningVault();
  const held = new MemoryVolatileStore<HeldPinBlock>(clock, 100);
  const phone = await enrolPhone(stores);
  const { sessionKey } = phone;
  const terms = {
    type: 'sale',
    amountMinor: 1250n,
    currency: 978,
    merchant: phone.merchant,
    order: 'order-1',
  } as const;
  const pinKsn = random.bytes(12);
  const draft: Draft = {
    claims: claimsOf(phone, clock),
    tokenKey: vault.tokenKey,
    grant: { terms, pinKsn, accountDataKsn: ACCOUNT_DATA.ksn, expectedVerification: withPin ? 'online-pin' : 'none' },
    intent: (intent) => intent,
    icc: withPin ? iccWithPin(terms) : iccElements(terms),
    payload: null,
    context: CONTEXT.paymentIntent,
    sessionKey: sessionKey.spki,
    held: withPin ? heldBlock('') : null,
    vaultRefuses: null,
    before: [],
  };
  for (const change of bend) change(draft);
  const stored = await addGrant(stores, phone, draft.grant, vault.serviceKey);
  const { grant } = stored;
  const initialKeyIds = {
    pinInitialKeyId: grant.pinKsn.subarray(0, 8),
    accountDataInitialKeyId: ACCOUNT_DATA.ksn.subarray(0, 8),
  };
  const keySet = { id: uniqueId(), deviceId: phone.deviceId, ...initialKeyIds, expiresAt: secondsAfter(START, 86_400) };
  await stores.keySets.addOffered({ ...keySet, binding: Buffer.alloc(16, 1) }, START);
  await stores.keySets.activate(keySet.id, phone.deviceId, START);
  if (draft.held !== null) await held.putIfAbsent(grant.id, { ...draft.held, grantId: grant.id }, draft.held.heldUntil);
  if (draft.vaultRefuses !== null) vault.refuse('translatePayment', draft.vaultRefuses);
  const intent = draft.intent({
    acquirer: phone.acquirer,
    thumbprint: sessionKey.thumbprint,
    grantId: grant.id,
    terms,
    emvData: encodeIcc(draft.icc),
    accountData: ACCOUNT_DATA,
    claimedVerification: withPin ? 'online-pin' : 'none',
    pin: withPin ? { ksn: pinKsn, blockHash: sha256(PIN_BLOCK) } : null,
  });
  const token = compactJws(
    { alg: 'ES256', kid: 'token-1', typ: DEVICE_TOKEN_TYPE },
    draft.claims,
    draft.tokenKey.privateKey,
  );
  const requestOf = (payload: Buffer): PaymentRequest => ({
    caller: phone.acquirer,
    token,
    intent: sessionKey.sign(draft.context, payload),
    sessionKey: draft.sessionKey,
  });
  const made: Payment = {
    request: requestOf(draft.payload ?? encodeIntent(intent)),
    ports: gatePorts({ clock, stores, vault, held }),
    phone,
    stored,
    stores,
    clock,
    vault,
    held,
    withIntent: (change) => requestOf(encodeIntent(change(intent))),
    decision: async () =>
      (await stores.decisions.situation(grant.id, sessionKey.thumbprint, initialKeyIds.accountDataInitialKeyId))
        ?.decision ?? null,
  };
  for (const step of draft.before) await step(made);
  return made;
}

function claimsOf(phone: EnrolledPhone, clock: TestClock): DeviceTokenClaims {
  const subject = {
    issuer: ISSUER,
    deviceId: phone.deviceId,
    acquirer: phone.acquirer,
    merchant: phone.merchant,
    sessionKeyThumbprint: phone.sessionKey.thumbprint,
    ...APPRAISED,
  };
  const policy = { lifetimeSeconds: 600, refreshFraction: 0.5, refreshJitterFraction: 0 };
  return deviceTokenClaims(subject, policy, clock.now(), random).claims;
}

function gatePorts({ clock, stores, vault, held }: Pick<Payment, 'clock' | 'stores' | 'vault' | 'held'>): GatePorts {
  const keys = vault.tokenKeys;
  return {
    clock,
    random,
    issuer: ISSUER,
    decisions: stores.decisions,
    vault,
    held,
    policy: () => versionOf(gateRules()),
    lastCheckpoint: () => null,
    kills: gateKills(),
    verifyToken: (token, audience) => verifyTokenOfAnyAge(token, { issuer: ISSUER, keys, audience }),
    parseIntent: decodeIntent,
  };
}
