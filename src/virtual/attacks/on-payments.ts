import type { PaymentIntent } from '../../gate/intent.ts';
import { encodeIntent } from '../../wire/transaction.ts';
import type { SignedPayment } from '../phone/intent.ts';
import type { Target } from '../world/target.ts';
import { ALLOWED, type Attack, saleOf } from './attack.ts';
import { atGate, honestPayment, intentOf, pay, submit, tapped, timesPaid, WITH_PIN, WITHOUT_PIN } from './payment.ts';

const NEEDS = ['processing'] as const;

/** An intent that the phone itself bends before it signs. */
function bentIntent(
  about: Pick<Attack, 'name' | 'story' | 'expects' | 'number'>,
  bend: (intent: PaymentIntent) => PaymentIntent,
  amountMinor = WITHOUT_PIN,
): Attack {
  return {
    ...about,
    needs: NEEDS,
    run: async (target) => {
      const { phone, tap } = await tapped(target, amountMinor);
      return submit(target, phone.sign(tap, null, { intent: bend }));
    },
  };
}

/** An intent that is changed on its way. */
function changedIntent(
  about: Pick<Attack, 'name' | 'story' | 'number'>,
  change: (intent: PaymentIntent) => PaymentIntent,
): Attack {
  return {
    ...about,
    expects: 'INTENT_SIGNATURE_INVALID',
    needs: NEEDS,
    run: async (target) => {
      const payment = await honestPayment(target);
      const payload = encodeIntent(change(intentOf(payment)));
      return submit(target, { ...payment, intent: { ...signedOf(payment), payload } });
    },
  };
}

function signedOf({ intent }: SignedPayment): NonNullable<SignedPayment['intent']> {
  if (intent === undefined) throw new Error('a payment has an intent');
  return intent;
}

const withTerms = (terms: Partial<PaymentIntent['terms']>) => (intent: PaymentIntent) => ({
  ...intent,
  terms: { ...intent.terms, ...terms },
});

const replayedIntent: Attack = {
  name: 'replayed intent',
  number: 1,
  story: 'a paid intent is submitted again and again; then the same grant is used for another intent',
  expects: 'INTENT_CHANGED',
  needs: ['processing', 'gate', 'cards'],
  run: async (target) => {
    const { phone, tap } = await tapped(target, WITHOUT_PIN);
    const payment = phone.sign(tap, null);
    const first = await pay(target, payment);
    const decided = await decisionOn(target, payment);
    const again = await Promise.all([1, 2, 3].map(() => pay(target, payment)));
    const same = again.every(({ receipt }) => receipt === first.receipt);
    const another = phone.sign(tap, null, { intent: (intent) => ({ ...intent, claimedVerification: 'device' }) });
    const outcome = await atGate(target, 'acquirer', another);
    if (!same || (await timesPaid(target, intentOf(payment).terms.order)) !== 1) return `${ALLOWED} (paid again)`;
    return (await decisionOn(target, payment)) === decided ? outcome : `${ALLOWED} (decided again)`;
  },
};

/** The intent and the outcome that were decided of a payment's grant; null where nothing was. */
function decisionOn(target: Target, payment: SignedPayment): Promise<string | null> {
  return target.security((team) => team.decision(intentOf(payment).grantId));
}

const anotherAcquirer: Attack = {
  name: 'two processings with one intent',
  number: 19,
  story: "a rival's processing submits the intent too, at the same moment",
  expects: 'TOKEN_AUDIENCE_MISMATCH',
  needs: ['processing', 'rival', 'cards'],
  run: async (target) => {
    const payment = await honestPayment(target);
    const [, rival] = await Promise.all([pay(target, payment), atGate(target, 'rival', payment)]);
    return (await timesPaid(target, intentOf(payment).terms.order)) === 1 ? rival : `${ALLOWED} (paid twice)`;
  },
};

const tokenOfAnotherAcquirer: Attack = {
  name: 'token of another acquirer',
  number: 6,
  story: "a rival's processing asks for a decision on a phone that is enrolled with somebody else",
  expects: 'TOKEN_AUDIENCE_MISMATCH',
  needs: ['rival'],
  run: async (target) => {
    const payment = await honestPayment(target);
    const outcome = await atGate(target, 'rival', payment);
    return (await decisionOn(target, payment)) === null ? outcome : `${ALLOWED} (decided)`;
  },
};

const pinOfAnotherAcquirer: Attack = {
  name: "another acquirer's PIN block",
  number: 20,
  story:
    'a rival has a phone of its own sign an intent under the grant that a PIN was entered for, to be given the PIN',
  expects: 'GRANT_UNKNOWN',
  needs: ['rival', 'processing', 'cards'],
  run: async (target) => {
    const card = await target.card();
    const payment = await (await target.readyPhone()).pay(saleOf(target, WITH_PIN), card, card.account.pin);
    const { grantId, pin, accountData, claimedVerification } = intentOf(payment);
    const stolenParts = { grantId, pin, accountData, claimedVerification };
    const thief = await target.readyPhone('rival');
    const tap = thief.tap(await thief.begin(saleOf(target, WITH_PIN)), card);
    const stolen = thief.sign(tap, null, { intent: (own) => ({ ...own, ...stolenParts }) });
    const outcome = await atGate(target, 'rival', stolen);
    await pay(target, payment);
    return outcome;
  },
};

const stolenTokenAtGate: Attack = {
  name: 'intent under a stolen token',
  number: 4,
  story: 'a thief signs an intent with his own key and sends the token of his victim',
  expects: 'SESSION_KEY_MISMATCH',
  needs: NEEDS,
  run: async (target) => {
    const victim = await target.readyPhone();
    const payment = await honestPayment(target);
    return submit(target, { ...payment, deviceToken: victim.memory.session?.token ?? '' });
  },
};

const wrongCardAmount: Attack = {
  name: 'card signed another amount',
  story: 'the card is tapped for another amount than the customer is shown',
  expects: 'EMV_AMOUNT_MISMATCH',
  needs: NEEDS,
  run: async (target) => {
    const phone = await target.readyPhone();
    const shown = await phone.begin(saleOf(target, WITHOUT_PIN));
    const card = await target.card();
    const terms = { ...shown.grant.terms, amountMinor: 4900n };
    const other = phone.tap({ ...shown, grant: { ...shown.grant, terms } }, card);
    return submit(target, phone.sign({ ...other, transaction: shown }, null));
  },
};

/** Attacks on payments. */
export const PAYMENT_ATTACKS: readonly Attack[] = [
  replayedIntent,
  changedIntent(
    { name: 'changed amount', number: 2, story: 'the amount is changed on the way, after the phone has signed' },
    withTerms({ amountMinor: 125_000n }),
  ),
  changedIntent(
    { name: 'changed merchant', number: 3, story: 'the merchant is changed on the way, after the phone has signed' },
    withTerms({ merchant: 'another-merchant' }),
  ),
  bentIntent(
    {
      name: 'merchant beyond the grant',
      number: 3,
      story: 'the app signs the payment for another merchant than it was granted to',
      expects: 'INTENT_GRANT_MISMATCH',
    },
    withTerms({ merchant: 'another-merchant' }),
  ),
  stolenTokenAtGate,
  tokenOfAnotherAcquirer,
  bentIntent(
    {
      name: 'forged device CVM above the limit',
      number: 10,
      story: "the app claims that the customer's device has verified him, to be spared the PIN",
      expects: 'CVM_REQUIRED',
    },
    (intent) => ({ ...intent, claimedVerification: 'device' }),
    WITH_PIN,
  ),
  bentIntent(
    {
      name: 'device CVM that the card does not state',
      number: 10,
      story: 'the app claims that a device has verified the customer, and the chip data of the tap says nothing of it',
      expects: 'CVM_CLAIM_MISMATCH',
    },
    (intent) => ({ ...intent, claimedVerification: 'device' }),
  ),
  bentIntent(
    {
      name: 'no PIN above the limit',
      number: 11,
      story: 'a payment that needs a PIN is submitted without one',
      expects: 'CVM_REQUIRED',
    },
    (intent) => intent,
    WITH_PIN,
  ),
  anotherAcquirer,
  pinOfAnotherAcquirer,
  bentIntent(
    {
      name: 'amount beyond the grant',
      number: 24,
      story: 'the app signs another amount than it was granted',
      expects: 'INTENT_GRANT_MISMATCH',
    },
    withTerms({ amountMinor: 125_000n }),
  ),
  wrongCardAmount,
];
