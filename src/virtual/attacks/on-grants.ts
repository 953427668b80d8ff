import { setTimeout as sleep } from 'node:timers/promises';
import { parseDocument } from 'yaml';
import type { PhoneTransaction } from '../phone/session.ts';
import type { Target } from '../world/target.ts';
import { ALLOWED, type Attack, outcomeOf, saleOf } from './attack.ts';
import { atGate, intentOf, pay, submit, tapped, timesPaid, WITH_PIN, WITHOUT_PIN } from './payment.ts';

const NEEDS = ['processing'] as const;
/** The shortest life of a grant that policy takes. */
const SHORT_GRANT_SECONDS = 10;
const PAST_ITS_END = 500;
const POLICY_ATTEMPTS = 40;
const POLICY_PAUSE = 250;

const merchantAtBegin: Attack = {
  name: 'transaction for another merchant',
  number: 3,
  story: 'the app asks for a grant in the name of another merchant',
  expects: 'MERCHANT_MISMATCH',
  run: async (target) => {
    const phone = await target.readyPhone();
    return outcomeOf(target, () => phone.begin({ ...saleOf(target, WITHOUT_PIN), merchant: 'another-merchant' }));
  },
};

const counterBack: Attack = {
  name: 'counter going back',
  number: 8,
  story: 'of two grants the later one is paid; then the earlier one, with the lower counters, is submitted',
  expects: 'COUNTER_BEHIND',
  needs: ['processing', 'cards'],
  run: async (target) => {
    const earlier = await tapped(target, WITHOUT_PIN);
    const { phone } = earlier;
    const later = phone.tap(await phone.begin(saleOf(target, WITHOUT_PIN)), await target.card());
    await pay(target, phone.sign(later, null));
    return submit(target, phone.sign(earlier.tap, null));
  },
};

const pinOfAnotherGrant: Attack = {
  name: 'payment with the PIN of another grant',
  number: 9,
  story: 'PINs are entered under two grants, and the payment of the one names the PIN block of the other',
  expects: 'PIN_GRANT_MISMATCH',
  needs: NEEDS,
  run: async (target) => {
    const { phone, tap } = await tapped(target, WITH_PIN);
    const card = await target.card();
    const { pin, pan } = card.account;
    const other = await phone.enterPin(tap, { pin, pan });
    const second = phone.tap(await phone.begin(saleOf(target, WITH_PIN)), card);
    const own = await phone.enterPin(second, { pin, pan });
    return submit(target, phone.sign(second, { ...own, blockHash: other.blockHash }));
  },
};

const replacedSession: Attack = {
  name: 'stale session',
  number: 17,
  story: 'a session is opened with the token and session key of an attestation that a newer one has replaced',
  expects: 'SESSION_UNKNOWN',
  run: async (target) => {
    const phone = await target.readyPhone();
    const { session } = phone.memory;
    await phone.attest(null);
    phone.memory.session = session;
    return outcomeOf(target, () => phone.openSession());
  },
};

/** A phone that loses its standing between tap and submission. */
function lostStanding(
  about: Pick<Attack, 'name' | 'number' | 'story' | 'expects'>,
  lose: (target: Target, deviceId: string) => Promise<void>,
): Attack {
  return {
    ...about,
    needs: NEEDS,
    run: async (target) => {
      const { phone, tap } = await tapped(target, WITHOUT_PIN);
      const payment = phone.sign(tap, null);
      await lose(target, phone.memory.deviceId ?? '');
      return submit(target, payment);
    },
  };
}

/** Begins until the policy that shortens grants is what the service goes by. */
async function shortGrant(begin: () => Promise<PhoneTransaction>): Promise<PhoneTransaction> {
  for (let attempt = 1; attempt <= POLICY_ATTEMPTS; attempt += 1) {
    const transaction = await begin();
    if (lifeOf(transaction) <= SHORT_GRANT_SECONDS * 1000) return transaction;
    await sleep(POLICY_PAUSE);
  }
  throw new Error('the policy for short grants did not come into force');
}

function lifeOf({ grant: { issuedAt, expiresAt } }: PhoneTransaction): number {
  return expiresAt.getTime() - issuedAt.getTime();
}

/** A merchant of its own has a policy of its own: nobody else's grants are shortened. */
const expiredGrant: Attack = {
  name: 'expired grant',
  number: 23,
  story: `a payment is submitted after its grant has expired (a merchant of its own gets grants of ${SHORT_GRANT_SECONDS} seconds)`,
  expects: 'GRANT_EXPIRED',
  needs: NEEDS,
  lasting: true,
  run: async (target) => {
    const merchant = `short-${target.random.bytes(6).toString('hex')}`;
    const scope = `merchant:${target.places.acquirer.name}/${merchant}`;
    const phone = await target.phone();
    await phone.attest(await target.invite(merchant));
    await phone.injectKeys();
    await target.security(async (team) => {
      const policy = parseDocument((await team.policy()).document);
      policy.setIn(['sessions', 'grantSeconds'], SHORT_GRANT_SECONDS);
      await team.activatePolicy(policy.toString(), scope);
    });
    try {
      const sale = () => ({ ...saleOf(target, WITHOUT_PIN), merchant });
      const transaction = await shortGrant(() => phone.begin(sale()));
      const payment = phone.sign(phone.tap(transaction, await target.card()), null);
      await sleep(lifeOf(transaction) + PAST_ITS_END);
      return await submit(target, payment);
    } finally {
      await target.security((team) => team.withdrawPolicy(scope));
    }
  },
};

const refundWithoutSale: Attack = {
  name: 'refund without sale',
  number: 25,
  story: 'money is given back for an order that was never paid',
  expects: 'SALE_UNKNOWN',
  needs: ['gate', 'processing'],
  run: async (target) => {
    const phone = await target.readyPhone();
    const transaction = await phone.begin({ ...saleOf(target, WITHOUT_PIN), type: 'refund' });
    const payment = phone.sign(phone.tap(transaction, await target.card()), null);
    const outcome = await atGate(target, 'acquirer', payment);
    const moved = await timesPaid(target, intentOf(payment).terms.order);
    return moved === 0 ? outcome : `${ALLOWED} (in the ledger)`;
  },
};

/** Attacks on grants, counters, standing and time. */
export const GRANT_ATTACKS: readonly Attack[] = [
  merchantAtBegin,
  counterBack,
  pinOfAnotherGrant,
  replacedSession,
  lostStanding(
    {
      name: 'device suspended in mid-payment',
      number: 18,
      story: 'the security team suspends the phone between tap and submission',
      expects: 'DEVICE_SUSPENDED',
    },
    (target, deviceId) => target.security((team) => team.suspend(deviceId, 'seen in a wrong place')),
  ),
  lostStanding(
    {
      name: 'revoked phone',
      story: 'a phone that was revoked between tap and submission',
      expects: 'DEVICE_REVOKED',
    },
    (target, deviceId) => target.security((team) => team.revoke(deviceId, 'reported lost')),
  ),
  expiredGrant,
  refundWithoutSale,
];
