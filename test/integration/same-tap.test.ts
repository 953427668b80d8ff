import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectGate } from '../../docs/samples/gate-a-payment.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { PaymentOutcome } from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import { saleOf } from '../../src/virtual/attacks/attack.ts';
import type { VirtualCard } from '../../src/virtual/card/card.ts';
import type { PhoneTap, VirtualPhone } from '../../src/virtual/phone/phone.ts';
import type { PaymentResult, ProcessingClient } from '../../src/virtual/world/processing-client.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { callUnary } from '../../src/wire/call.ts';
import { decodeIntent } from '../../src/wire/transaction.ts';
import { startWorld } from './support.ts';

let world: World;
let phone: VirtualPhone;
let card: VirtualCard;
let processing: ProcessingClient;
let end: () => Promise<void> = async () => {};

beforeAll(async () => {
  ({ world, end } = await startWorld());
  phone = await world.readyPhone();
  card = await world.card('mastercard');
  processing = await world.processing();
}, 120_000);

afterAll(() => end(), 60_000);

const WRONG = '9090';

async function payWith(tap: PhoneTap, pin: string): Promise<PaymentResult> {
  const entered = await phone.enterPin(tap, { pin, pan: card.account.pan });
  return processing.submit(phone.sign(tap, entered));
}

const newTap = async (amountMinor = 7700n): Promise<PhoneTap> =>
  phone.tap(await phone.begin(saleOf(world, amountMinor)), card);

const topUps = async (order: string): Promise<number> =>
  (await processing.ledger()).filter((entry) => entry.order === order).length;

test('a wrong PIN, then the right one on the same tap, is one top-up', async () => {
  const tap = await newTap();
  expect(await payWith(tap, WRONG)).toMatchObject({ outcome: 'declined', pinTriesLeft: 2 });
  const again = await phone.beginAgain(tap);
  expect(await payWith(again, card.account.pin)).toMatchObject({ outcome: 'paid', pinTriesLeft: 0 });
  expect(await topUps(tap.transaction.grant.terms.order)).toBe(1);
}, 60_000);

test('the tries of a tap are bounded by policy, and each failure is begun anew once', async () => {
  let tap = await newTap();
  for (const triesLeft of [2, 1]) {
    expect(await payWith(tap, WRONG)).toMatchObject({ outcome: 'declined', pinTriesLeft: triesLeft });
    const again = await phone.beginAgain(tap);
    await expect(phone.beginAgain(tap)).rejects.toMatchObject({ reasons: ['REPEAT_NOT_ALLOWED'] });
    tap = again;
  }
  expect(await payWith(tap, WRONG)).toMatchObject({ outcome: 'declined', pinTriesLeft: 0 });
  await expect(phone.beginAgain(tap)).rejects.toMatchObject({ reasons: ['REPEAT_NOT_ALLOWED'] });
  expect(await topUps(tap.transaction.grant.terms.order)).toBe(0);
}, 60_000);

test('a grant for the same tap pays no other tap', async () => {
  const tap = await newTap();
  await payWith(tap, WRONG);
  const again = await phone.beginAgain(tap);
  const other = phone.tap(again.transaction, card);
  const entered = await phone.enterPin(
    { ...other, accountData: again.accountData },
    { pin: card.account.pin, pan: card.account.pan },
  );
  const paid = await processing.submit(phone.sign({ ...again, iccData: other.iccData }, entered));
  expect(paid).toMatchObject({ outcome: 'refused', reasons: ['INTENT_GRANT_MISMATCH'] });
}, 60_000);

test('a tap that was paid is not paid again', async () => {
  const tap = await newTap();
  expect(await payWith(tap, card.account.pin)).toMatchObject({ outcome: 'paid' });
  await expect(phone.beginAgain(tap)).rejects.toMatchObject({ reasons: ['REPEAT_NOT_ALLOWED'] });
}, 60_000);

test('the card data of one tap under another grant is refused: its counter was seen', async () => {
  const first = await newTap(1250n);
  expect(await processing.submit(phone.sign(first, null))).toMatchObject({ outcome: 'paid' });
  const second = await newTap(1250n);
  const replayed = await processing.submit(phone.sign({ ...second, iccData: first.iccData }, null));
  expect(replayed).toMatchObject({ outcome: 'refused', reasons: ['CARD_COUNTER_REPEATED'] });
}, 60_000);

test('an outcome is taken from the acquirer of the payment alone, for its intent alone, once', async () => {
  const tap = await newTap(1250n);
  const payment = phone.sign(tap, null);
  const intentHash = sha256(payment.intent?.payload ?? Buffer.alloc(0));
  const gate = await world.gate('acquirer');
  const rival = await world.gate('rival');
  const report = async (from: typeof gate, over: object) => {
    const request = { grantId: tap.transaction.grant.id, intentHash, outcome: PaymentOutcome.DECLINED, ...over };
    const { answer } = await callUnary(from.reportOutcome.bind(from), request, 10_000);
    return answer?.$case === 'refused' ? answer.value.refusal?.reasons[0]?.code : answer?.$case;
  };
  expect(await report(gate, {})).toBe('GRANT_UNKNOWN');
  await callUnary(gate.authorizePayment.bind(gate), payment, 10_000);
  expect(await report(rival, {})).toBe('GRANT_UNKNOWN');
  expect(await report(gate, { intentHash: Buffer.alloc(32) })).toBe('INTENT_CHANGED');
  expect(await report(gate, { outcome: PaymentOutcome.PIN_WRONG })).toBe('OUTCOME_NOT_EXPECTED');
  expect(await report(gate, {})).toBe('recorded');
  expect(await report(gate, {})).toBe('recorded');
  expect(await report(gate, { outcome: PaymentOutcome.APPROVED })).toBe('OUTCOME_CHANGED');
}, 60_000);

test("the guide's sample decides a payment, and says what became of it", async () => {
  const document = await readFile(join(import.meta.dirname, '../../docs/integration-processing.md'), 'utf8');
  const sample = await readFile(join(import.meta.dirname, '../../docs/samples/gate-a-payment.ts'), 'utf8');
  expect(document).toContain(`\`\`\`ts\n${sample}\`\`\``);
  const gate = connectGate(
    world.addresses.processing,
    dirname(dirname(world.folder.certificate('processing', 'ca.crt'))),
    'acquirer',
  );
  const payment = phone.sign(await newTap(1250n), null);
  const decided = await gate.decide(payment);
  if (!('approved' in decided)) throw new Error('refused');
  expect(await gate.decide(payment)).toMatchObject({ approved: { receipt: decided.approved.receipt } });
  const intent = decodeIntent(payment.intent?.payload ?? Buffer.alloc(0));
  if (!intent.ok) throw new Error(intent.reason);
  const { grantId } = intent.value;
  const intentHash = sha256(payment.intent?.payload ?? Buffer.alloc(0));
  const recorded = await gate.report({ grantId, intentHash, outcome: PaymentOutcome.PIN_REQUIRED });
  expect(recorded).toMatchObject({ parentGrantId: grantId, pinTriesLeft: 2 });
  gate.close();
}, 60_000);
