import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { KillGuard } from '../../../src/devices/kill-guard.ts';
import { transportChallenge } from '../../../src/encoding/contexts.ts';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import {
  type InjectRequest,
  type InjectResponse,
  KeyConfirmation,
  KeyInjectionServiceClient,
  KeyRequest,
} from '../../../src/gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain, KeyTransport } from '../../../src/gen/tapgate/v1/key_transport.ts';
import { InitialKeyIdSource } from '../../../src/injection/initial-key-ids.ts';
import type { KeyPolicy } from '../../../src/injection/policy.ts';
import { injectionService } from '../../../src/server/services/injection.ts';
import { MemoryVolatileStore } from '../../../src/store/volatile/memory.ts';
import { MemoryRateLimit } from '../../../src/store/volatile/memory-rate-limit.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../../src/tokens/claims.ts';
import { ClientConversation } from '../../../src/wire/channel.ts';
import { signedToWire } from '../../../src/wire/signed.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { attestationChain, chainAppraiser } from '../../support/appraiser.ts';
import { TestClock } from '../../support/clock.ts';
import { type EnrolledPhone, enrolPhone } from '../../support/enrolled.ts';
import { holdCall, waitsForHeld } from '../../support/held-call.ts';
import { compactJws } from '../../support/jws.ts';
import { openGuard } from '../../support/kills.ts';
import { SeededRandom } from '../../support/random.ts';
import { signingKey } from '../../support/signing-key.ts';
import { MemoryStores } from '../../support/stores.ts';
import { TOKEN_LIFE, tokenSubject } from '../../support/tokens.ts';
import { keyProof, SigningVault } from '../../support/vault.ts';
import { Certificates, channelTo, type Edge, startEdge } from '../transport/support/edge.ts';

const ISSUER = 'https://tapgate.example';
const WITHIN = { withinMilliseconds: 10_000 };
const POLICY: KeyPolicy = {
  transports: ['key-agreement', 'rsa'],
  minimumRsaBits: 3072,
  offersPerHour: 20,
  offerSeconds: 60,
  maximumAgeHours: 24,
  maximumTransactions: 100,
};
const BDK_IDS = { pin: Buffer.alloc(4, 0xa), accountData: Buffer.alloc(4, 0xb) };
const transportKey = signingKey();

type Message = NonNullable<InjectRequest['message']>;

let certificates: Certificates;
let edge: Edge;
let client: KeyInjectionServiceClient;
let stores: MemoryStores;
let vault: SigningVault;
let phone: EnrolledPhone;
let token: string;
let kills: KillGuard;

beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

beforeEach(async () => {
  const clock = new TestClock();
  const random = new SeededRandom('injection service');
  stores = new MemoryStores();
  vault = new SigningVault();
  phone = await enrolPhone(stores);
  kills = openGuard();
  const service = injectionService({
    ports: {
      clock,
      random,
      keySets: stores.keySets,
      initialKeyIds: new InitialKeyIdSource(stores.keySets, () => BDK_IDS),
      vault,
      nonces: new MemoryVolatileStore(clock, 10),
      offers: new MemoryVolatileStore(clock, 10),
      limit: new MemoryRateLimit(clock, random, 10),
    },
    bearer: { issuer: ISSUER, clock, devices: stores.devices, tokenKeys: () => vault.tokenKeys, kills },
    appraiser: () => chainAppraiser,
    policy: () => POLICY,
    serviceKeys: () => [],
  });
  edge = await startEdge(certificates, 'device', [service]);
  client = new KeyInjectionServiceClient(...channelTo(edge, await certificates.client('device')));
  const subject = tokenSubject(ISSUER, phone.deviceId, 'acquirer-a', phone.sessionKey.thumbprint);
  const { claims } = deviceTokenClaims(subject, TOKEN_LIFE, clock.now(), random);
  token = compactJws({ alg: 'ES256', kid: 'token-1', typ: DEVICE_TOKEN_TYPE }, claims, vault.tokenKey.privateKey);
});
afterEach(async () => {
  client.close();
  await edge.listener.drain(2000);
});

/** A phone's side of one stream. */
class PhoneSide {
  readonly #stream = new ClientConversation<InjectRequest, InjectResponse>(client.inject());

  async ask(message: Message): Promise<NonNullable<InjectResponse['message']>> {
    await this.#stream.send({ message });
    const answer = (await this.#stream.next(WITHIN))?.message;
    if (answer === undefined) throw new Error('no answer');
    return answer;
  }

  /** How the service refuses a message. */
  async refusal(message: Message): Promise<readonly string[] | undefined> {
    try {
      await this.ask(message);
    } catch (error) {
      return refusalFromError(error)?.reasons;
    }
    return [];
  }

  /** Up to the challenge. */
  async begin() {
    const answer = await this.ask({ $case: 'begin', value: { deviceToken: token } });
    if (answer.$case !== 'challenge') throw new Error(answer.$case);
    return answer.value;
  }

  /** Up to the offer: its payload. */
  async offer(): Promise<Buffer> {
    const { nonce } = await this.begin();
    const answer = await this.ask(keyRequest(nonce));
    if (answer.$case !== 'offer') throw new Error(answer.$case);
    return answer.value.payload;
  }

  cut(): void {
    this.#stream.cancel();
  }
}

function keyRequest(nonce: Buffer): Message {
  const chain = attestationChain({
    key: transportKey.spki,
    challenge: transportChallenge(phone.sessionKey.spki, nonce),
    purpose: 'agree',
  });
  const request = KeyRequest.create({ nonce, transport: KeyTransport.KEY_AGREEMENT, transportKeyChain: chain });
  const payload = KeyRequest.encode(request).finish();
  return { $case: 'keyRequest', value: signedToWire(phone.sessionKey.sign(CONTEXT.keyRequest, payload)) };
}

function confirmation(offer: Buffer) {
  const proofs = [
    { domain: KeyDomain.PIN, cmac: keyProof(offer, 'pin') },
    { domain: KeyDomain.ACCOUNT_DATA, cmac: keyProof(offer, 'account-data') },
  ];
  // The injection's id stands first in what the vault of the tests offers, after its length.
  const payload = KeyConfirmation.encode({ injectionId: offer.subarray(4, 40).toString(), proofs }).finish();
  return signedToWire(phone.sessionKey.sign(CONTEXT.keyConfirmation, payload));
}

const confirming = (offer: Buffer): Message => ({ $case: 'confirmation', value: confirmation(offer) });
const resuming = (offer: Buffer): Message => ({
  $case: 'resume',
  value: { deviceToken: token, confirmation: confirmation(offer) },
});

describe('an injection', () => {
  test('says what policy allows, offers, and ends with active keys', async () => {
    const stream = new PhoneSide();
    const { nonce, allowedTransports, minimumRsaBits } = await stream.begin();
    expect(allowedTransports).toEqual([KeyTransport.KEY_AGREEMENT, KeyTransport.RSA]);
    expect([nonce.length, minimumRsaBits]).toEqual([32, 3072]);
    const offer = await stream.ask(keyRequest(nonce));
    if (offer.$case !== 'offer') throw new Error(offer.$case);
    expect(await stream.ask(confirming(offer.value.payload))).toMatchObject({
      $case: 'active',
      value: { maximumTransactions: 100n },
    });
  });

  test('that was cut after its offer is finished in another stream, and told again in a third', async () => {
    const first = new PhoneSide();
    const offer = await first.offer();
    first.cut();
    const answer = await new PhoneSide().ask(resuming(offer));
    expect(answer).toMatchObject({ $case: 'active', value: { keySetId: offer.subarray(4, 40).toString() } });
    expect(await new PhoneSide().ask(resuming(offer))).toEqual(answer);
  });

  test('that was never offered is not resumed', async () => {
    expect(await new PhoneSide().refusal(resuming(Buffer.alloc(60, 'x')))).toEqual(['OFFER_UNKNOWN']);
  });

  test.each<[string, (nonce: Buffer) => Message]>([
    ['begins twice', () => ({ $case: 'begin', value: { deviceToken: token } })],
    ['confirms before there is an offer', () => confirming(Buffer.alloc(60, 'x'))],
    ['resumes what has begun', () => resuming(Buffer.alloc(60, 'x'))],
  ])('that %s is out of order', async (_what, message) => {
    const stream = new PhoneSide();
    const { nonce } = await stream.begin();
    expect(await stream.refusal(message(nonce))).toEqual(['MESSAGE_OUT_OF_ORDER']);
  });

  test.each<[string, () => Message]>([
    ['a key request', () => keyRequest(Buffer.alloc(32))],
    ['a confirmation', () => confirming(Buffer.alloc(60, 'x'))],
  ])('does not begin with %s', async (_what, message) => {
    expect(await new PhoneSide().refusal(message())).toEqual(['MESSAGE_OUT_OF_ORDER']);
  });

  test('needs a token, to begin and to resume', async () => {
    token = `${token.slice(0, -4)}AAAA`;
    expect(await new PhoneSide().refusal({ $case: 'begin', value: { deviceToken: token } })).toEqual(['TOKEN_INVALID']);
    expect(await new PhoneSide().refusal(resuming(Buffer.alloc(60, 'x')))).toEqual(['TOKEN_INVALID']);
  });
});

describe('a phone that is suspended', () => {
  test('before it begins gets no challenge', async () => {
    await stores.suspend(phone.deviceId);
    const begin: Message = { $case: 'begin', value: { deviceToken: token } };
    expect(await new PhoneSide().refusal(begin)).toEqual(['DEVICE_SUSPENDED']);
  });

  test('after its challenge gets no offer, and no identifier is used up', async () => {
    const stream = new PhoneSide();
    const { nonce } = await stream.begin();
    await stores.suspend(phone.deviceId);
    expect(await stream.refusal(keyRequest(nonce))).toEqual(['DEVICE_SUSPENDED']);
    expect(vault.calls).toEqual([]);
  });

  test('after its offer gets no active keys, in this stream or another', async () => {
    const stream = new PhoneSide();
    const offer = await stream.offer();
    await stores.suspend(phone.deviceId);
    expect(await stream.refusal(confirming(offer))).toEqual(['DEVICE_SUSPENDED']);
    expect(await new PhoneSide().refusal(resuming(offer))).toEqual(['DEVICE_SUSPENDED']);
    expect(vault.calls).toEqual(['offerKeys']);
  });
});

describe('a kill switch is not in force while', () => {
  test.each<[string, 'offerKeys' | 'verifyKeyProof', () => Promise<() => Promise<unknown>>]>([
    [
      'keys are offered',
      'offerKeys',
      async () => {
        const stream = new PhoneSide();
        const { nonce } = await stream.begin();
        return () => stream.ask(keyRequest(nonce));
      },
    ],
    [
      'keys are proven',
      'verifyKeyProof',
      async () => {
        const stream = new PhoneSide();
        const offer = await stream.offer();
        return () => stream.ask(confirming(offer));
      },
    ],
    [
      'keys are proven in another stream',
      'verifyKeyProof',
      async () => {
        const offer = await new PhoneSide().offer();
        return () => new PhoneSide().ask(resuming(offer));
      },
    ],
  ])('%s, as was begun before it', async (_what, call, prepare) => {
    const step = await prepare();
    const held = holdCall(vault, call);
    expect(await waitsForHeld(kills, held, step())).toBe(true);
  });
});
