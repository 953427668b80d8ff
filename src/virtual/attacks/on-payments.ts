import { tlv } from '../../encoding/tlv.ts';
import type { PaymentIntent } from '../../gate/intent.ts';
import type { AuthorizePaymentResponse } from '../../gen/tapgate/v1/payment_gate_service.ts';
import { callUnary } from '../../wire/call.ts';
import { codesOf } from '../../wire/refusal.ts';
import { decodeIntent, encodeIntent } from '../../wire/transaction.ts';
import type { SignedPayment } from '../phone/intent.ts';
import type { PaymentResult } from '../world/processing-client.ts';
import type { World } from '../world/world.ts';
import { ALLOWED, type Attack, type AttackOutcome, saleOf } from './attack.ts';

function outcomeOfPayment(result: PaymentResult): AttackOutcome {
  return result.outcome === 'paid' ? ALLOWED : (result.reasons[0] ?? result.outcome);
}

function outcomeOfGate({ outcome }: AuthorizePaymentResponse): AttackOutcome {
  if (outcome?.$case === 'refused') return codesOf(outcome.value.refusal)[0] ?? 'UNKNOWN';
  return outcome?.$case === 'approved' ? ALLOWED : 'UNAVAILABLE';
}

async function submit(world: World, payment: SignedPayment): Promise<AttackOutcome> {
  return outcomeOfPayment(await (await world.processing()).submit(payment));
}

async function honestPayment(world: World): Promise<SignedPayment> {
  return (await world.readyPhone()).pay(saleOf(world, 1250n), await world.card(), null);
}

/** An intent that the phone itself bends before it signs. */
function bentIntent(
  name: string,
  story: string,
  expects: string,
  bend: (intent: PaymentIntent) => PaymentIntent,
  amountMinor = 1250n,
): Attack {
  return {
    name,
    story,
    expects,
    run: async (world) => {
      const phone = await world.readyPhone();
      const tap = phone.tap(await phone.begin(saleOf(world, amountMinor)), await world.card());
      return submit(world, phone.sign(tap, null, { intent: bend }));
    },
  };
}

const changedAmount: Attack = {
  name: 'changed amount',
  story: 'the amount is changed on the way, after the phone has signed',
  expects: 'INTENT_SIGNATURE_INVALID',
  run: async (world) => {
    const payment = await honestPayment(world);
    const intent = payment.intent === undefined ? null : decodeIntent(payment.intent.payload);
    if (intent === null || !intent.ok || payment.intent === undefined) throw new Error('the intent does not parse');
    const terms = { ...intent.value.terms, amountMinor: 125_000n };
    const payload = encodeIntent({ ...intent.value, terms });
    return submit(world, { ...payment, intent: { ...payment.intent, payload } });
  },
};

const replayedIntent: Attack = {
  name: 'replayed intent',
  story: 'a paid intent is submitted again and again; then the same grant is used for another intent',
  expects: 'INTENT_CHANGED',
  run: async (world) => {
    const phone = await world.readyPhone();
    const tap = phone.tap(await phone.begin(saleOf(world, 1250n)), await world.card());
    const payment = phone.sign(tap, null);
    const processing = await world.processing();
    const first = await processing.submit(payment);
    const again = await Promise.all([1, 2, 3].map(() => processing.submit(payment)));
    const same = again.every(({ outcome, receipt }) => outcome === 'paid' && receipt === first.receipt);
    const order = tap.transaction.grant.terms.order;
    const paid = (await processing.ledger()).filter((entry) => entry.order === order);
    if (first.outcome !== 'paid' || !same || paid.length !== 1) return ALLOWED;
    const another = phone.sign(tap, null, { intent: (intent) => ({ ...intent, claimedVerification: 'device' }) });
    return outcomeOfGate(await atGate(world, 'acquirer', another));
  },
};

const anotherAcquirer: Attack = {
  name: 'two processings with one intent',
  story: "a rival's processing submits the intent too, at the same moment",
  expects: 'TOKEN_AUDIENCE_MISMATCH',
  run: async (world) => {
    const payment = await honestPayment(world);
    const [own, rival] = await Promise.all([
      world.processing('acquirer').then((processing) => processing.submit(payment)),
      atGate(world, 'rival', payment),
    ]);
    return own.outcome === 'paid' ? outcomeOfGate(rival) : 'HONEST_PAYMENT_NOT_PAID';
  },
};

const stolenTokenAtGate: Attack = {
  name: 'intent under a stolen token',
  story: 'a thief signs an intent with his own key and sends the token of his victim',
  expects: 'SESSION_KEY_MISMATCH',
  run: async (world) => {
    const victim = await world.readyPhone();
    const payment = await honestPayment(world);
    return submit(world, { ...payment, deviceToken: victim.memory.session?.token ?? '' });
  },
};

const revokedPhone: Attack = {
  name: 'revoked phone',
  story: 'a phone that was revoked between tap and submission',
  expects: 'DEVICE_REVOKED',
  run: async (world) => {
    const phone = await world.readyPhone();
    const payment = await phone.pay(saleOf(world, 1250n), await world.card(), null);
    await world.security((team) => team.revoke(phone.memory.deviceId ?? '', 'reported lost'));
    return submit(world, payment);
  },
};

const wrongCardAmount: Attack = {
  name: 'card signed another amount',
  story: 'the card is tapped for another amount than the customer is shown',
  expects: 'EMV_AMOUNT_MISMATCH',
  run: async (world) => {
    const phone = await world.readyPhone();
    const shown = await phone.begin(saleOf(world, 1250n));
    const card = await world.card();
    const tapped = phone.tap(
      { ...shown, grant: { ...shown.grant, terms: { ...shown.grant.terms, amountMinor: 4900n } } },
      card,
    );
    return submit(world, phone.sign({ ...tapped, transaction: shown }, null));
  },
};

async function atGate(world: World, acquirer: 'acquirer' | 'rival', payment: SignedPayment) {
  const gate = await world.gate(acquirer);
  return callUnary(gate.authorizePayment.bind(gate), payment, 10_000);
}

/** Attacks on payments. */
export const PAYMENT_ATTACKS: readonly Attack[] = [
  changedAmount,
  bentIntent(
    'amount beyond the grant',
    'the app signs another amount than it was granted',
    'INTENT_GRANT_MISMATCH',
    (intent) => ({
      ...intent,
      terms: { ...intent.terms, amountMinor: 125_000n },
    }),
  ),
  wrongCardAmount,
  bentIntent(
    'no PIN above the limit',
    'a payment that needs a PIN is submitted without one',
    'CVM_REQUIRED',
    (intent) => intent,
    9900n,
  ),
  bentIntent(
    'account data in clear',
    'the PAN travels beside the encrypted account data',
    'EMV_TAG_FORBIDDEN',
    (intent) => ({
      ...intent,
      emvData: Buffer.concat([intent.emvData, tlv('5A', Buffer.from('4111111111111111', 'hex'))]),
    }),
  ),
  stolenTokenAtGate,
  replayedIntent,
  anotherAcquirer,
  revokedPhone,
];
