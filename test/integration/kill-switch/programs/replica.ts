import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { openKillSwitches } from '../../../../src/app/kill-switches.ts';
import { sqlStores } from '../../../../src/app/store.ts';
import { killSubjectOf } from '../../../../src/devices/kill-subject.ts';
import { CONTEXT } from '../../../../src/encoding/signed.ts';
import { decidePayment, type GatePorts } from '../../../../src/gate/decide.ts';
import type { HeldPinBlock } from '../../../../src/pin/store.ts';
import { versionOf } from '../../../../src/policy/version.ts';
import { secondsAfter } from '../../../../src/ports/clock.ts';
import { Presence } from '../../../../src/sessions/presence.ts';
import { type DatabaseAddress, SqlPool } from '../../../../src/store/sql/engine/pool.ts';
import { MemoryVolatileStore } from '../../../../src/store/volatile/memory.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../../../src/tokens/claims.ts';
import { verifyTokenOfAnyAge } from '../../../../src/tokens/verify.ts';
import { decodeIntent, encodeIntent } from '../../../../src/wire/transaction.ts';
import { START, TestClock } from '../../../support/clock.ts';
import { addGrant, type EnrolledPhone, enrolPhone, uniqueId } from '../../../support/enrolled.ts';
import { newSession } from '../../../support/facts.ts';
import { gateRules } from '../../../support/gate-rules.ts';
import { encodeIcc, iccElements } from '../../../support/icc.ts';
import { compactJws } from '../../../support/jws.ts';
import { SeededRandom } from '../../../support/random.ts';
import { signingKey } from '../../../support/signing-key.ts';
import { APPRAISED } from '../../../support/tokens.ts';
import { SigningVault } from '../../../support/vault.ts';

// A replica of the gate as a process: real stores, guard and follower; payments of two shops, one after the other on each
// of a few phones, until its standard input ends.

const ISSUER = 'https://tapgate.example';
const PHONES_OF_A_SHOP = 2;
const IDS_OF_A_REPLICA = 200_000;

const [address = '{}', number = '', ...shops] = process.argv.slice(2);
const replica = Number(number);
const random = new SeededRandom(`replica ${number}`);
// Every process draws the same ids: this one begins behind those of the replicas before it.
for (let id = 0; id < replica * IDS_OF_A_REPLICA; id += 1) uniqueId();
for (let session = 0; session < replica * 10; session += 1) newSession(signingKey(), START);
const clock = new TestClock();
const vault = new SigningVault();
const logger = pino({ level: 'silent' });
const pool = new SqlPool({ address: JSON.parse(address) as DatabaseAddress, applicationName: `replica ${number}` });
const stores = sqlStores(pool, logger);
const open = { sessions: new Presence(), pinEntries: new Presence() };
const kills = await openKillSwitches(stores.killReplicas, open, logger);

const ports: GatePorts = {
  clock,
  random,
  issuer: ISSUER,
  decisions: stores.decisions,
  vault,
  held: new MemoryVolatileStore<HeldPinBlock>(clock, 10),
  policy: () => versionOf(gateRules()),
  lastCheckpoint: () => null,
  kills: {
    guard: kills.guard,
    subjectOf: async (thumbprint) => {
      const session = await stores.devices.session(thumbprint);
      return session === null ? null : killSubjectOf(session);
    },
    generation: () => stores.killReplicas.generation(),
    refresh: () => kills.refresh(),
  },
  verifyToken: (token, audience) => verifyTokenOfAnyAge(token, { issuer: ISSUER, keys: vault.tokenKeys, audience }),
  parseIntent: decodeIntent,
};

function tokenOf(phone: EnrolledPhone): string {
  const { deviceId, acquirer, merchant, sessionKey } = phone;
  const subject = { issuer: ISSUER, deviceId, acquirer, merchant, sessionKeyThumbprint: sessionKey.thumbprint };
  const policy = { lifetimeSeconds: 600, refreshFraction: 0.5, refreshJitterFraction: 0 };
  const { claims } = deviceTokenClaims({ ...subject, ...APPRAISED }, policy, START, random);
  return compactJws({ alg: 'ES256', kid: 'token-1', typ: DEVICE_TOKEN_TYPE }, claims, vault.tokenKey.privateKey);
}

/** Pays for ever; answers of all kinds go on to the next payment. */
async function payOn(shop: string): Promise<void> {
  const phone = await enrolPhone(stores, { merchant: shop });
  const token = tokenOf(phone);
  const ids = { pinInitialKeyId: random.bytes(8), accountDataInitialKeyId: random.bytes(8) };
  const set = { id: uniqueId(), deviceId: phone.deviceId, ...ids, expiresAt: secondsAfter(START, 86_400) };
  await stores.keySets.addOffered({ ...set, binding: random.bytes(16) }, START);
  await stores.keySets.activate(set.id, phone.deviceId, START);
  for (let number = 1; ; number += 1) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(number);
    const accountDataKsn = Buffer.concat([ids.accountDataInitialKeyId, counter]);
    const pinKsn = Buffer.concat([ids.pinInitialKeyId, counter]);
    const terms = { type: 'sale', amountMinor: 1250n, currency: 978, merchant: shop, order: `${number}` } as const;
    const over = { terms, accountDataKsn, pinKsn, sequence: BigInt(number) };
    const icc = iccElements(terms);
    try {
      const { grant } = await addGrant(stores, phone, over, vault.serviceKey);
      const intent = encodeIntent({
        acquirer: phone.acquirer,
        thumbprint: phone.sessionKey.thumbprint,
        grantId: grant.id,
        terms,
        emvData: encodeIcc(icc),
        accountData: { ksn: accountDataKsn, initializationVector: random.bytes(12), ciphertext: random.bytes(64) },
        claimedVerification: 'none',
        pin: null,
      });
      const request = {
        caller: phone.acquirer,
        token,
        intent: phone.sessionKey.sign(CONTEXT.paymentIntent, intent),
        sessionKey: phone.sessionKey.spki,
      };
      const answer = await decidePayment(request, ports);
      count(answer.outcome === 'refused' ? (answer.reasons[0] ?? '') : answer.outcome);
    } catch {
      count('thrown');
    }
    await sleep(2);
  }
}

const counted = new Map<string, number>();
function count(outcome: string): void {
  counted.set(outcome, (counted.get(outcome) ?? 0) + 1);
}

process.stdin.on('end', async () => {
  await kills.stop();
  process.stdout.write(`${JSON.stringify(Object.fromEntries(counted))}\n`, () => process.exit());
});
process.stdin.resume();
for (const shop of shops) for (let phone = 0; phone < PHONES_OF_A_SHOP; phone += 1) void payOn(shop);
process.stdout.write('ready\n');
