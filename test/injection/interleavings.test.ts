import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { transportChallenge } from '../../src/encoding/contexts.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { beginInjection, confirmKeys, type InjectionPorts, offerKeys } from '../../src/injection/exchange.ts';
import { InitialKeyIdSource } from '../../src/injection/initial-key-ids.ts';
import type { KeyPolicy } from '../../src/injection/policy.ts';
import { MemoryVolatileStore } from '../../src/store/volatile/memory.ts';
import { MemoryRateLimit } from '../../src/store/volatile/memory-rate-limit.ts';
import { attestationChain, chainAppraiser } from '../support/appraiser.ts';
import { TestClock } from '../support/clock.ts';
import { type EnrolledPhone, enrolPhone, sessionOf } from '../support/enrolled.ts';
import { SeededRandom } from '../support/random.ts';
import { signingKey } from '../support/signing-key.ts';
import { MemoryStores } from '../support/stores.ts';
import { unwrap } from '../support/unwrap.ts';
import { keyProof, SigningVault } from '../support/vault.ts';

const POLICY: KeyPolicy = {
  transports: ['key-agreement'],
  minimumRsaBits: 3072,
  offersPerHour: 1000,
  offerSeconds: 60,
  maximumAgeHours: 24,
  maximumTransactions: 100,
};
const BDK_IDS = { pin: Buffer.alloc(4, 1), accountData: Buffer.alloc(4, 2) };
const transportKey = signingKey();

interface Offered {
  readonly id: string;
  readonly owner: EnrolledPhone;
  readonly payload: Buffer;
  /** A right proof was judged. */
  proven: boolean;
  /** A wrong proof was judged before any right one. */
  spoiled: boolean;
}

/** Two phones, a service that forgets its volatile stores, a vault that comes and goes, and time. */
class Table {
  readonly clock = new TestClock();
  readonly stores = new MemoryStores();
  readonly vault = new SigningVault();
  readonly offers: Offered[] = [];
  readonly ids: string[] = [];
  readonly phones: readonly EnrolledPhone[];
  #ports: InjectionPorts;

  constructor(phones: readonly EnrolledPhone[], stores: MemoryStores) {
    this.stores = stores;
    this.phones = phones;
    this.#ports = this.#start();
  }

  static async set(): Promise<Table> {
    const stores = new MemoryStores();
    return new Table([await enrolPhone(stores), await enrolPhone(stores)], stores);
  }

  #start(): InjectionPorts {
    const { clock, vault } = this;
    const keySets = {
      ...this.stores.keySets,
      addOffered: async (...[set, now]: Parameters<MemoryStores['keySets']['addOffered']>) => {
        this.ids.push(set.pinInitialKeyId.toString('hex'), set.accountDataInitialKeyId.toString('hex'));
        await this.stores.keySets.addOffered(set, now);
      },
    };
    return {
      clock,
      random: new SeededRandom(`start ${this.ids.length} ${this.offers.length}`),
      keySets,
      initialKeyIds: new InitialKeyIdSource(keySets, () => BDK_IDS),
      vault,
      nonces: new MemoryVolatileStore(clock, 100),
      offers: new MemoryVolatileStore(clock, 100),
      appraiser: chainAppraiser,
      limit: new MemoryRateLimit(clock, new SeededRandom('limit'), 100),
    };
  }

  restart(): void {
    this.#ports = this.#start();
  }

  async offer(by: number): Promise<void> {
    const owner = this.phones[by]!;
    const session = await sessionOf(this.stores, owner);
    const { nonce } = unwrap(await beginInjection(session, POLICY, this.#ports));
    const challenge = transportChallenge(owner.sessionKey.spki, nonce);
    const chain = attestationChain({ key: transportKey.spki, challenge, purpose: 'agree' });
    const signed = owner.sessionKey.sign(CONTEXT.keyRequest, nonce);
    const request = { nonce, transportKeys: [{ transport: 'key-agreement' as const, chain }], signed };
    const offer = await offerKeys(session, request, POLICY, this.#ports);
    if (!offer.ok) return;
    const payload = Buffer.from(offer.value.payload);
    this.offers.push({ id: payload.subarray(4, 40).toString(), owner, payload, proven: false, spoiled: false });
  }

  async confirm(which: number, by: number, right: boolean): Promise<void> {
    const offer = this.offers[which % Math.max(1, this.offers.length)];
    if (offer === undefined) return;
    const sender = this.phones[by]!;
    const [pin, accountData] = (['pin', 'account-data'] as const).map((domain) => keyProof(offer.payload, domain));
    const answer = await confirmKeys(
      await sessionOf(this.stores, sender),
      {
        injectionId: offer.id,
        pinCmac: pin!,
        accountDataCmac: right ? accountData! : Buffer.alloc(16),
        signed: sender.sessionKey.sign(CONTEXT.keyConfirmation, offer.payload),
      },
      POLICY,
      this.#ports,
    );
    if (answer.ok) {
      expect(sender).toBe(offer.owner);
      expect(right || offer.proven).toBe(true);
      expect(offer.spoiled).toBe(false);
      offer.proven = true;
    } else if (answer.reason === 'KEY_PROOF_INVALID') offer.spoiled = true;
  }

  /** Offers that are active, of a phone. */
  async active(phone: EnrolledPhone): Promise<readonly Offered[]> {
    const found: Offered[] = [];
    for (const offer of this.offers) {
      for (const { deviceId } of this.phones) {
        if ((await this.stores.keySets.active(offer.id, deviceId)) === null) continue;
        expect(deviceId).toBe(offer.owner.deviceId);
        if (deviceId === phone.deviceId) found.push(offer);
      }
    }
    return found;
  }
}

const phone = fc.nat({ max: 1 });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('offer' as const), by: phone }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('confirm' as const), which: fc.nat(), by: phone, right: fc.boolean() }),
  },
  fc.record({ kind: fc.constant('restart' as const) }),
  fc.record({ kind: fc.constant('vault' as const), away: fc.boolean() }),
  fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat({ max: 40 }) }),
);

test('in whatever order offers, proofs, outages and restarts come: keys are active once proven, one set a phone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const table = await Table.set();
      const had = new Set<EnrolledPhone>();
      for (const one of steps) {
        if (one.kind === 'offer') await table.offer(one.by);
        else if (one.kind === 'confirm') await table.confirm(one.which, one.by, one.right);
        else if (one.kind === 'restart') table.restart();
        else if (one.kind === 'wait') table.clock.advance(one.seconds * 1000);
        else if (one.away) table.vault.refuse('verifyKeyProof', 'VAULT_UNAVAILABLE');
        else table.vault.recover();
        for (const owner of table.phones) {
          const active = await table.active(owner);
          expect(active.length).toBeLessThanOrEqual(1);
          expect(active.every(({ proven }) => proven)).toBe(true);
          // Once a phone had a valid set it always has one.
          if (active.length === 1) had.add(owner);
          expect(active.length).toBe(had.has(owner) ? 1 : 0);
        }
      }
      expect(new Set(table.ids).size).toBe(table.ids.length);
    }),
    { seed: 5, numRuns: 60 },
  );
}, 60_000);
