import { generateKeyPairSync } from 'node:crypto';
import { CONTEXT } from '../../encoding/signed.ts';
import { type KeyConfirmation, KeyOffer } from '../../gen/tapgate/v1/key_injection_service.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { DukptRegisters } from '../../payment-crypto/aes-dukpt/registers.ts';
import { signedToWire } from '../../wire/signed.ts';
import { honestProfiles } from '../keymint/profiles.ts';
import { signFor } from '../phone/memory.ts';
import type { VirtualPhone } from '../phone/phone.ts';
import type { Target } from '../world/target.ts';
import { type Attack, outcomeOf, saleOf } from './attack.ts';

/** More than any sensible policy allows in an hour. */
const MOST_OFFERS = 200;

const forgedOffer: Attack = {
  name: 'forged offer',
  story: 'a man past TLS plants a key offer signed by a key of his own',
  expects: 'REFUSED_BY_PHONE',
  run: async (target) => {
    const phone = await target.phone();
    await phone.attest(await target.invite());
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return outcomeOf(target, () =>
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
  run: async (target) => {
    const phone = await target.phone();
    await phone.attest(await target.invite());
    const { keymint: other } = await target.kind('tee');
    const challenge = target.random.bytes(32);
    return outcomeOf(target, () =>
      phone.injectKeys({ transportKey: () => other.generateKey({ purpose: 'agree', algorithm: 'EC', challenge }) }),
    );
  },
};

const softwareTransportKey: Attack = {
  name: 'software transport key',
  story: 'the transport key is held by software, as old Keymasters fall back to',
  expects: 'ATTESTATION_SOFTWARE',
  run: async (target) => {
    const phone = await target.phone();
    await phone.attest(await target.invite());
    const { keymint: software } = await target.kind('software-only');
    return outcomeOf(target, () =>
      phone.injectKeys({
        transportKey: (challenge) => software.generateKey({ purpose: 'agree', algorithm: 'EC', challenge }),
      }),
    );
  },
};

const reusedKsn: Attack = {
  name: 'reused KSN',
  number: 7,
  story: 'a transaction is begun with key serial numbers that were used before',
  expects: 'COUNTER_NOT_HIGHER',
  run: async (target) => {
    const phone = await target.readyPhone();
    const { pin, accountData } = await phone.begin(saleOf(target, 100n));
    const ksns = { pin: pin.ksn.toBytes(), accountData: accountData.ksn.toBytes() };
    const session = await phone.openSession();
    const outcome = await outcomeOf(target, () => session.begin(saleOf(target, 100n), { ksns }));
    session.close();
    return outcome;
  },
};

/** A phone that has attested, and has no keys. */
async function attested(target: Target): Promise<VirtualPhone> {
  const phone = await target.phone();
  await phone.attest(await target.invite());
  return phone;
}

const replayedOffer: Attack = {
  name: 'replayed key offer',
  story: 'an offer that the service signed for this phone before is planted in a later injection',
  expects: 'REFUSED_BY_PHONE',
  run: async (target) => {
    const phone = await attested(target);
    let recorded: SignedMessage | null = null;
    const record = (offer: SignedMessage): SignedMessage => {
      recorded = offer;
      return offer;
    };
    await phone.injectKeys({ offer: record });
    return outcomeOf(target, () => phone.injectKeys({ offer: (offer) => recorded ?? offer }));
  },
};

const changedOffer: Attack = {
  name: 'changed key offer',
  story: 'one bit of an offer that the service signed is changed on its way',
  expects: 'REFUSED_BY_PHONE',
  run: async (target) => {
    const phone = await attested(target);
    const change = (offer: SignedMessage): SignedMessage => {
      const payload = Buffer.from(offer.payload);
      payload.writeUInt8(payload.readUInt8(payload.length - 1) ^ 1, payload.length - 1);
      return { ...offer, payload };
    };
    return outcomeOf(target, () => phone.injectKeys({ offer: change }));
  },
};

const transportKeyOfAnotherPhone: Attack = {
  name: 'transport key of another phone',
  story: 'keys are asked for with a genuine transport key for this session, held by another model of phone',
  expects: 'ATTESTATION_REFUSED (TRANSPORT_KEY_DISAGREES)',
  run: async (target) => {
    const phone = await attested(target);
    const { tee } = honestProfiles(target.clock.now());
    const verifiedBootKey = target.random.bytes(32).toString('hex');
    const other = (await target.factory()).provision({ ...tee, verifiedBootKey });
    return outcomeOf(target, () =>
      phone.injectKeys({
        transportKey: (challenge) => other.generateKey({ purpose: 'agree', algorithm: 'EC', challenge }),
      }),
    );
  },
};

const transportKeyForSigning: Attack = {
  name: 'signing key as transport key',
  story: 'the transport key is genuine, of this phone and for this session, and may do something else',
  expects: 'KEY_PROPERTIES_NOT_ALLOWED',
  run: async (target) => {
    const phone = await attested(target);
    const { keymint } = phone.memory;
    return outcomeOf(target, () =>
      phone.injectKeys({
        transportKey: (challenge) => keymint.generateKey({ purpose: 'sign', algorithm: 'EC', challenge }),
      }),
    );
  },
};

const weakTransportKey: Attack = {
  name: 'short RSA transport key',
  story: 'a phone offers RSA-2048 where policy asks for the strength of the keys that are sent',
  expects: 'TRANSPORT_KEY_TOO_WEAK',
  run: async (target) => {
    const phone = await attested(target);
    return outcomeOf(target, () => phone.injectKeys({ transports: ['rsa'], rsaBits: 2048 }));
  },
};

const wrongProof: Attack = {
  name: 'keys that are not proven',
  story: 'the phone confirms keys without holding them',
  expects: 'KEY_PROOF_INVALID',
  run: async (target) => {
    const phone = await attested(target);
    const guess = (): Buffer => target.random.bytes(16);
    return outcomeOf(target, () =>
      phone.injectKeys({
        confirmation: ({ injectionId, proofs }) => ({
          injectionId,
          proofs: proofs.map(({ domain }) => ({ domain, cmac: guess() })),
        }),
      }),
    );
  },
};

class CutOff extends Error {}

const injectionOfAnother: Attack = {
  name: "confirmation of another's injection",
  story: 'a phone confirms, with the right proofs, the keys that were offered to another phone',
  expects: 'OFFER_UNKNOWN',
  run: async (target) => {
    const [victim, thief] = [await attested(target), await attested(target)];
    let stolen: KeyConfirmation | null = null;
    const cut = victim.injectKeys({
      confirmation: (confirmation) => {
        stolen = confirmation;
        throw new CutOff();
      },
    });
    await cut.catch((error: unknown) => {
      if (!(error instanceof CutOff)) throw error;
    });
    return outcomeOf(target, () => thief.injectKeys({ confirmation: (own) => stolen ?? own }));
  },
};

const staleSession: Attack = {
  name: 'injection on a replaced session',
  number: 17,
  story: 'keys are asked for with the token and session key of an attestation that a newer one has replaced',
  expects: 'SESSION_UNKNOWN',
  run: async (target) => {
    const phone = await attested(target);
    const { session } = phone.memory;
    await phone.attest(null);
    phone.memory.session = session;
    return outcomeOf(target, () => phone.injectKeys());
  },
};

const suspendedAtOffer: Attack = {
  name: 'injection of a suspended phone',
  story: 'a phone is suspended between its offer and its proof, and proves its keys all the same',
  expects: 'DEVICE_SUSPENDED',
  run: async (target) => {
    const phone = await attested(target);
    phone.memory.probe = async ({ exchange, direction, number }) => {
      if (exchange !== 'inject' || direction !== 'received' || number !== 2) return;
      await target.security((team) => team.suspend(phone.memory.deviceId ?? '', 'lost'));
    };
    return outcomeOf(target, () => phone.injectKeys());
  },
};

const burnedRange: Attack = {
  name: 'offers without end',
  story: 'a phone asks for keys over and over and confirms none, to use the identifiers up',
  expects: 'KEY_OFFERS_EXHAUSTED',
  run: async (target) => {
    const phone = await attested(target);
    const keep = phone.memory.keymint.generateKey.bind(phone.memory.keymint);
    const abandon = async (): Promise<void> => {
      try {
        await phone.injectKeys({
          transportKey: (challenge) => keep({ purpose: 'agree', algorithm: 'EC', challenge }),
          offer: () => {
            throw new CutOff();
          },
        });
      } catch (error) {
        if (!(error instanceof CutOff)) throw error;
      }
    };
    return outcomeOf(target, async () => {
      for (let offers = 0; offers < MOST_OFFERS; offers += 1) await abandon();
    });
  },
};

const counterPastTheEnd: Attack = {
  name: 'counter past the end of the initial key',
  story: 'a transaction claims a counter that no initial key has a working key for',
  expects: 'COUNTER_NOT_HIGHER',
  run: async (target) => {
    const phone = await target.readyPhone();
    const { keys } = phone.memory;
    if (keys === null) throw new Error('a ready phone has keys');
    const past = (registers: DukptRegisters): Buffer =>
      Buffer.concat([registers.initialKeyId.toBytes(), Buffer.from('ffff0001', 'hex')]);
    const ksns = { pin: past(keys.pin), accountData: past(keys.accountData) };
    const session = await phone.openSession();
    const outcome = await outcomeOf(target, () => session.begin(saleOf(target, 100n), { ksns }));
    session.close();
    return outcome;
  },
};

/** Attacks on key injection and key counters. */
export const KEY_ATTACKS: readonly Attack[] = [
  forgedOffer,
  changedOffer,
  replayedOffer,
  unboundTransportKey,
  transportKeyOfAnotherPhone,
  softwareTransportKey,
  transportKeyForSigning,
  weakTransportKey,
  wrongProof,
  injectionOfAnother,
  staleSession,
  suspendedAtOffer,
  burnedRange,
  reusedKsn,
  counterPastTheEnd,
];
