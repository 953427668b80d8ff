import type { sqlStores } from '../../src/app/store.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { PaymentRequest } from '../../src/gate/case.ts';
import type { GatePorts } from '../../src/gate/decide.ts';
import type { HeldPinBlock } from '../../src/pin/store.ts';
import { versionOf } from '../../src/policy/version.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import { MemoryVolatileStore } from '../../src/store/volatile/memory.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../src/tokens/claims.ts';
import { verifyTokenOfAnyAge } from '../../src/tokens/verify.ts';
import { decodeIntent, encodeIntent } from '../../src/wire/transaction.ts';
import { START, TestClock } from '../support/clock.ts';
import { activateKeySet, addGrant, type EnrolledPhone, enrolPhone, uniqueId } from '../support/enrolled.ts';
import { gateRules } from '../support/gate-rules.ts';
import { encodeIcc, iccElements } from '../support/icc.ts';
import { compactJws } from '../support/jws.ts';
import { SeededRandom } from '../support/random.ts';
import { APPRAISED } from '../support/tokens.ts';
import type { SigningVault } from '../support/vault.ts';

type SqlStores = ReturnType<typeof sqlStores>;

const ISSUER = 'https://tapgate.example';

const random = new SeededRandom('gate sales');

/** A phone's signed sale, and where its decision is looked for. */
export interface SignedSale {
  readonly phone: EnrolledPhone;
  readonly grantId: string;
  readonly terms: TransactionTerms;
  readonly request: PaymentRequest;
  /** 8 bytes. */
  readonly accountDataInitialKeyId: Buffer;
}

/** Enrols a phone with keys in the database, and has it sign a sale; what vault and clock are is the gate's. */
export async function signSale(
  stores: SqlStores,
  vault: SigningVault,
  { merchant, amountMinor = 1250n }: { merchant?: string; amountMinor?: bigint } = {},
): Promise<SignedSale> {
  const phone = await enrolPhone(stores, merchant === undefined ? {} : { merchant });
  const { accountDataInitialKeyId, pinInitialKeyId } = await activateKeySet(stores, phone.deviceId);
  const counter = Buffer.from([0, 0, 0, 2]);
  const accountDataKsn = Buffer.concat([accountDataInitialKeyId, counter]);
  const pinKsn = Buffer.concat([pinInitialKeyId, counter]);
  const terms = { type: 'sale', amountMinor, currency: 978, merchant: phone.merchant, order: uniqueId() } as const;
  const { grant } = await addGrant(stores, phone, { terms, accountDataKsn, pinKsn }, vault.serviceKey);
  const intent = encodeIntent({
    acquirer: phone.acquirer,
    thumbprint: phone.sessionKey.thumbprint,
    grantId: grant.id,
    terms,
    emvData: encodeIcc(iccElements(terms)),
    accountData: { ksn: accountDataKsn, initializationVector: random.bytes(12), ciphertext: random.bytes(64) },
    claimedVerification: 'none',
    pin: null,
  });
  const request: PaymentRequest = {
    caller: phone.acquirer,
    token: tokenOf(phone, vault),
    intent: phone.sessionKey.sign(CONTEXT.paymentIntent, intent),
    sessionKey: phone.sessionKey.spki,
  };
  return { phone, grantId: grant.id, terms, request, accountDataInitialKeyId };
}

/** What a gate over these decisions stands on; its policy forbids nothing. */
export function gateOver(
  decisions: GatePorts['decisions'],
  vault: SigningVault,
  kills: GatePorts['kills'],
  over: Partial<GatePorts> = {},
): GatePorts {
  const clock = new TestClock();
  return {
    clock,
    random,
    issuer: ISSUER,
    decisions,
    vault,
    held: new MemoryVolatileStore<HeldPinBlock>(clock, 10),
    policy: () => versionOf(gateRules()),
    lastCheckpoint: () => null,
    kills,
    verifyToken: (token, audience) => verifyTokenOfAnyAge(token, { issuer: ISSUER, keys: vault.tokenKeys, audience }),
    parseIntent: decodeIntent,
    ...over,
  };
}

function tokenOf({ deviceId, acquirer, merchant, sessionKey }: EnrolledPhone, vault: SigningVault): string {
  const subject = { issuer: ISSUER, deviceId, acquirer, merchant, sessionKeyThumbprint: sessionKey.thumbprint };
  const policy = { lifetimeSeconds: 600, refreshFraction: 0.5, refreshJitterFraction: 0 };
  const { claims } = deviceTokenClaims({ ...subject, ...APPRAISED }, policy, START, random);
  return compactJws({ alg: 'ES256', kid: 'token-1', typ: DEVICE_TOKEN_TYPE }, claims, vault.tokenKey.privateKey);
}
