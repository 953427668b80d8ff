import type { VirtualPhone } from '../phone/phone.ts';
import type { World } from '../world/world.ts';
import { type Attack, outcomeOf, saleOf } from './attack.ts';

const stolenToken: Attack = {
  name: 'stolen token',
  story: 'a device token is used without the session key that it names',
  expects: 'SESSION_KEY_MISMATCH',
  run: async (world) => {
    const victim = await world.readyPhone();
    const thief = await world.readyPhone();
    const { session } = thief.memory;
    if (session === null || victim.memory.session === null) throw new Error('both phones have attested');
    thief.memory.session = { ...session, token: victim.memory.session.token };
    return outcomeOf(world, () => thief.openSession());
  },
};

const overlay: Attack = {
  name: 'overlay during PIN entry',
  story: 'another window lies over the pad',
  expects: 'POSTURE_REFUSED',
  run: async (world) => {
    const { phone, tap, card } = await tapped(world);
    phone.memory.posture = new Set(['overlay']);
    return outcomeOf(world, () => phone.enterPin(tap, { pin: card.account.pin, pan: card.account.pan }));
  },
};

const pinForAnotherGrant: Attack = {
  name: 'PIN for another grant',
  story: 'a PIN block is signed over the grant of another transaction',
  expects: 'PIN_GRANT_MISMATCH',
  run: async (world) => {
    const { phone, tap, card } = await tapped(world);
    const other = await phone.begin(saleOf(world, 9900n));
    const pad = { pin: card.account.pin, pan: card.account.pan };
    return outcomeOf(world, () => phone.enterPin(tap, pad, { block: (pin) => ({ ...pin, grantId: other.grant.id }) }));
  },
};

const pinForAnotherCard: Attack = {
  name: 'PIN block of another card',
  story: 'the PIN is enciphered for another PAN than the one that was tapped',
  expects: 'PIN_BLOCK_MALFORMED',
  run: async (world) => {
    const { phone, tap, card } = await tapped(world);
    const other = await world.card('mastercard');
    return outcomeOf(world, () => phone.enterPin(tap, { pin: card.account.pin, pan: other.account.pan }));
  },
};

const screenRecorded: Attack = {
  name: 'payment while the screen is recorded',
  story: 'a transaction is begun while another app captures the screen',
  expects: 'POSTURE_REFUSED',
  run: async (world) => {
    const phone = await world.readyPhone();
    phone.memory.posture = new Set(['screen-capture']);
    return outcomeOf(world, () => phone.begin(saleOf(world, 100n)));
  },
};

/** A ready phone with a card tapped for an amount that needs a PIN. */
async function tapped(world: World) {
  const phone: VirtualPhone = await world.readyPhone();
  const card = await world.card();
  const tap = phone.tap(await phone.begin(saleOf(world, 9900n)), card);
  return { phone, card, tap };
}

/** Attacks on sessions and PIN entry. */
export const SESSION_ATTACKS: readonly Attack[] = [
  stolenToken,
  screenRecorded,
  overlay,
  pinForAnotherGrant,
  pinForAnotherCard,
];
