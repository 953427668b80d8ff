import { generateKeyPairSync } from 'node:crypto';
import { CONTEXT } from '../../encoding/signed.ts';
import { KeyOffer } from '../../gen/tapgate/v1/key_injection_service.ts';
import { signedToWire } from '../../wire/signed.ts';
import { signFor } from '../phone/memory.ts';
import { type Attack, outcomeOf, saleOf } from './attack.ts';

const forgedOffer: Attack = {
  name: 'forged offer',
  story: 'a man past TLS plants a key offer signed by a key of his own',
  expects: 'REFUSED_BY_PHONE',
  run: async (world) => {
    const phone = await world.phone();
    await phone.attest(await world.invite());
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return outcomeOf(world, () =>
      phone.injectKeys({
        offer: ({ payload, keyId }) => {
          const planted = KeyOffer.encode(KeyOffer.decode(payload)).finish();
          return { ...signedToWire(signFor(CONTEXT.keyOffer, planted, privateKey)), keyId };
        },
      }),
    );
  },
};

const unboundTransportKey: Attack = {
  name: 'transport key of another session',
  story: 'keys are asked for with a transport key that was attested for something else',
  expects: 'TRANSPORT_KEY_NOT_BOUND',
  run: async (world) => {
    const phone = await world.phone();
    await phone.attest(await world.invite());
    const { keymint: other } = await world.kind('tee');
    const challenge = world.random.bytes(32);
    return outcomeOf(world, () =>
      phone.injectKeys({ transportKey: () => other.generateKey({ purpose: 'agree', algorithm: 'EC', challenge }) }),
    );
  },
};

const softwareTransportKey: Attack = {
  name: 'software transport key',
  story: 'the transport key is held by software, as old Keymasters fall back to',
  expects: 'ATTESTATION_SOFTWARE',
  run: async (world) => {
    const phone = await world.phone();
    await phone.attest(await world.invite());
    const { keymint: software } = await world.kind('software-only');
    return outcomeOf(world, () =>
      phone.injectKeys({
        transportKey: (challenge) => software.generateKey({ purpose: 'agree', algorithm: 'EC', challenge }),
      }),
    );
  },
};

const reusedKsn: Attack = {
  name: 'reused KSN',
  story: 'a transaction is begun with key serial numbers that were used before',
  expects: 'COUNTER_NOT_HIGHER',
  run: async (world) => {
    const phone = await world.readyPhone();
    const { pin, accountData } = await phone.begin(saleOf(world, 100n));
    const ksns = { pin: pin.ksn.toBytes(), accountData: accountData.ksn.toBytes() };
    const session = await phone.openSession();
    const outcome = await outcomeOf(world, () => session.begin(saleOf(world, 100n), { ksns }));
    session.close();
    return outcome;
  },
};

/** Attacks on key injection and key counters. */
export const KEY_ATTACKS: readonly Attack[] = [forgedOffer, unboundTransportKey, softwareTransportKey, reusedKsn];
