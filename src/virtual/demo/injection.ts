import { CONTEXT } from '../../encoding/signed.ts';
import { KeyOffer } from '../../gen/tapgate/v1/key_injection_service.ts';
import type { TransportName } from '../../injection/policy.ts';
import { saleOf } from '../attacks/attack.ts';
import { TRANSPORTS } from '../phone/transport-keys.ts';
import type { World } from '../world/world.ts';
import type { DemoStep } from './step.ts';

const PRIVATE_KEY: Readonly<Record<TransportName, string>> = {
  'key-agreement': 'P-256 key',
  rsa: 'RSA-3072 key',
  'secure-import': 'RSA-3072 wrapping key',
};

async function pays(world: World, phone: Awaited<ReturnType<World['phone']>>): Promise<void> {
  const payment = await phone.pay(saleOf(world, 300n), await world.card(), null);
  const { outcome, reasons } = await (await world.processing()).submit(payment);
  if (outcome !== 'paid') throw new Error([outcome, ...reasons].join(', '));
}

/**
 * Enrols a phone, has it take keys by a transport, and compares the check values that the vault states with those of the
 * keys that the phone found in the envelopes. Answers the phone and the values; throws where they differ.
 */
export async function injectBy(world: World, transport: TransportName) {
  const phone = await world.phone();
  await phone.attest(await world.invite());
  let vaultSays: readonly string[] = [];
  const { opened } = await phone.injectKeys({
    transports: [transport],
    offer: (offer) => {
      const { payload } = phone.memory.trust.open(CONTEXT.keyOffer, offer);
      const { envelopes } = KeyOffer.decode(payload);
      vaultSays = envelopes.map(({ keyCheckValue }) => keyCheckValue.toString('hex').toUpperCase());
      return offer;
    },
  });
  const checkValues = opened?.checkValues ?? [];
  if (vaultSays.length !== 2 || vaultSays.join() !== checkValues.join()) throw new Error('check values differ');
  return { phone, checkValues };
}

const byTransport = (transport: TransportName): DemoStep => ({
  name: `keys are sent by ${transport}`,
  run: async (world) => {
    const { phone, checkValues } = await injectBy(world, transport);
    await pays(world, phone);
    return `attested ${PRIVATE_KEY[transport]}; check values ${checkValues.join(', ')} in vault and phone; it pays`;
  },
});

const resumed: DemoStep = {
  name: 'phone dies before it hears that its keys are active',
  run: async (world) => {
    const phone = await world.readyPhone();
    const before = phone.memory.keys?.pin.initialKeyId.toString() ?? '';
    phone.memory.probe = async ({ exchange, direction, number }) => {
      if (exchange === 'inject' && direction === 'received' && number === 3) throw new Error('the process ends');
    };
    await phone.injectKeys().then(
      () => Promise.reject(new Error('the injection was not cut off')),
      () => {},
    );
    phone.memory.probe = async () => {};
    phone.endProcess();
    await phone.resume();
    const { opened } = await phone.injectKeys();
    const after = phone.memory.keys?.pin.initialKeyId.toString() ?? '';
    if (opened !== null || after === before) throw new Error('the injection was not finished');
    await pays(world, phone);
    return `it kept both, confirms again, and goes on with ${after}; no third key was made`;
  },
};

/** How keys get into phones. */
export const INJECTION_STEPS: readonly DemoStep[] = [...TRANSPORTS.map(byTransport), resumed];
