import type { AttestedSession } from '../../src/devices/store.ts';
import { transportChallenge } from '../../src/encoding/contexts.ts';
import { CONTEXT, type SignedBytes } from '../../src/encoding/signed.ts';
import {
  beginInjection,
  confirmKeys,
  type InjectionPorts,
  type KeyConfirmation,
  type KeyRequest,
  offerKeys,
  type PendingOffer,
} from '../../src/injection/exchange.ts';
import { InitialKeyIdSource } from '../../src/injection/initial-key-ids.ts';
import type { KeyPolicy, TransportName } from '../../src/injection/policy.ts';
import type { TransportKeyClaim } from '../../src/injection/transport-key.ts';
import { MemoryVolatileStore } from '../../src/store/volatile/memory.ts';
import { MemoryRateLimit } from '../../src/store/volatile/memory-rate-limit.ts';
import { type Attestation, attestationChain, chainAppraiser, type KeyProperties } from '../support/appraiser.ts';
import { TestClock } from '../support/clock.ts';
import { type EnrolledPhone, enrolPhone, sessionOf } from '../support/enrolled.ts';
import { SeededRandom } from '../support/random.ts';
import { signingKey } from '../support/signing-key.ts';
import { MemoryStores } from '../support/stores.ts';
import { unwrap } from '../support/unwrap.ts';
import { keyProof, SigningVault } from '../support/vault.ts';

export const POLICY: KeyPolicy = {
  transports: ['key-agreement', 'rsa', 'secure-import'],
  minimumRsaBits: 3072,
  offersPerHour: 20,
  offerSeconds: 60,
  maximumAgeHours: 24,
  maximumTransactions: 100,
};
export const BDK_IDS = { pin: Buffer.from('0a0a0a0a', 'hex'), accountData: Buffer.from('0b0b0b0b', 'hex') };
export const RSA: KeyProperties = { keyAlgorithm: 'rsa', keySize: 3072, digests: [4], paddings: [2], mgfDigests: [2] };
const PURPOSES = { 'key-agreement': 'agree', rsa: 'decrypt', 'secure-import': 'wrap' } as const;

/** The key that phones of these tests have keys sent to. */
export const transportKey = signingKey();

/** The injection's id stands first in what the vault of the tests offers, after its length. */
export const injectionIdOf = ({ payload }: SignedBytes): string => Buffer.from(payload).subarray(4, 40).toString();

/** One attested phone before the injection room, and what the room stands on. */
export class InjectionTable {
  readonly clock = new TestClock();
  readonly vault = new SigningVault();
  readonly stores: MemoryStores;
  readonly phone: EnrolledPhone;
  readonly session: AttestedSession;
  readonly ports: InjectionPorts;

  private constructor(stores: MemoryStores, phone: EnrolledPhone, session: AttestedSession) {
    const { clock, vault } = this;
    this.stores = stores;
    this.phone = phone;
    this.session = session;
    this.ports = {
      clock,
      random: new SeededRandom('injection'),
      keySets: stores.keySets,
      initialKeyIds: new InitialKeyIdSource(stores.keySets, () => BDK_IDS),
      vault,
      nonces: new MemoryVolatileStore<string>(clock, 100),
      offers: new MemoryVolatileStore<PendingOffer>(clock, 100),
      appraiser: chainAppraiser,
      limit: new MemoryRateLimit(clock, new SeededRandom('limit'), 100),
    };
  }

  static async set(): Promise<InjectionTable> {
    const stores = new MemoryStores();
    const phone = await enrolPhone(stores);
    return new InjectionTable(stores, phone, await sessionOf(stores, phone));
  }

  /** The nonce of an injection that a session has begun. */
  async begun(by = this.session): Promise<Buffer> {
    return unwrap(await beginInjection(by, POLICY, this.ports)).nonce;
  }

  /** A key for a transport, as the phone's hardware attests it. */
  keyFor(transport: TransportName, nonce: Buffer, over: Partial<Attestation> = {}, by = this.phone): TransportKeyClaim {
    return {
      transport,
      chain: attestationChain({
        key: transportKey.spki,
        challenge: transportChallenge(by.sessionKey.spki, nonce),
        purpose: PURPOSES[transport],
        ...(transport === 'key-agreement' ? {} : { properties: RSA }),
        ...over,
      }),
    };
  }

  requestOf(nonce: Buffer, over: Partial<Attestation> = {}, by = this.phone): KeyRequest {
    return {
      nonce,
      transportKeys: [this.keyFor('key-agreement', nonce, over, by)],
      signed: by.sessionKey.sign(CONTEXT.keyRequest, nonce),
    };
  }

  /** An offer that was made to the phone. */
  async offered(): Promise<SignedBytes> {
    return unwrap(await offerKeys(this.session, this.requestOf(await this.begun()), POLICY, this.ports));
  }

  confirmationOf(offer: SignedBytes, over: Partial<KeyConfirmation> = {}): KeyConfirmation {
    return {
      injectionId: injectionIdOf(offer),
      pinCmac: keyProof(offer.payload, 'pin'),
      accountDataCmac: keyProof(offer.payload, 'account-data'),
      signed: this.phone.sessionKey.sign(CONTEXT.keyConfirmation, Buffer.from('proof')),
      ...over,
    };
  }

  confirm(confirmation: KeyConfirmation, by = this.session): ReturnType<typeof confirmKeys> {
    return confirmKeys(by, confirmation, POLICY, this.ports);
  }
}
