import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../src/encoding/digest.ts';
import { decidePayment } from '../../src/gate/decide.ts';
import { type OutcomeReport, reportOutcome } from '../../src/gate/outcome.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START } from '../support/clock.ts';
import { openGuard } from '../support/kills.ts';
import { type Draft, type Payment, payment } from './payment.ts';

const POLICY = { pinTries: 3, seconds: 180, pinAllowed: true };

const report = (made: Payment, over: Partial<OutcomeReport> = {}, policy = POLICY) =>
  reportOutcome(
    {
      caller: made.phone.acquirer,
      grantId: made.stored.grant.id,
      intentHash: sha256(made.request.intent.payload),
      outcome: 'declined',
      ...over,
    },
    { clock: made.clock, outcomes: made.stores.outcomes, repeatPolicy: () => policy, kills: openGuard() },
  );

async function decided(withPin = false, bend: ((draft: Draft) => unknown)[] = []): Promise<Payment> {
  const made = await payment({ withPin, bend });
  await decidePayment(made.request, made.ports);
  return made;
}

describe('what became of an approved payment', () => {
  test('is recorded once, and answered alike however often it is told', async () => {
    const made = await decided();
    for (let time = 0; time < 3; time += 1) expect(await report(made)).toEqual({ ok: true, value: { repeat: null } });
    expect(await report(made, { outcome: 'approved' })).toMatchObject({ ok: false, reason: 'OUTCOME_CHANGED' });
  });

  test.each(['pin-required', 'pin-wrong', 'pin-lost'] as const)('lets its tap be paid again: %s', async (outcome) => {
    const made = await decided(true);
    const repeat = { triesLeft: 2, until: secondsAfter(START, 180) };
    expect(await report(made, { outcome })).toEqual({ ok: true, value: { repeat } });
  });

  test('lets no tap be paid again where policy has turned PINs off since', async () => {
    const made = await decided(true);
    const off = { ...POLICY, pinAllowed: false };
    expect(await report(made, { outcome: 'pin-wrong' }, off)).toEqual({ ok: true, value: { repeat: null } });
  });

  test.each([
    ['no such grant', { grantId: '7b0b6ac1-8f0e-4a11-9c7e-6a9b8f2f3c11' }, 'GRANT_UNKNOWN'],
    ['an id that is none', { grantId: 'none' }, 'GRANT_UNKNOWN'],
    ['another acquirer', { caller: 'rival' }, 'GRANT_UNKNOWN'],
    ['another intent', { intentHash: Buffer.alloc(32) }, 'INTENT_CHANGED'],
    ['a wrong PIN where none was entered', { outcome: 'pin-wrong' }, 'OUTCOME_NOT_EXPECTED'],
    ['a lost PIN where none was entered', { outcome: 'pin-lost' }, 'OUTCOME_NOT_EXPECTED'],
  ] as const)('is refused: %s', async (_what, over, reason) => {
    expect(await report(await decided(), over)).toMatchObject({ ok: false, reason });
  });

  test('is not known before it is decided', async () => {
    expect(await report(await payment())).toMatchObject({ ok: false, reason: 'GRANT_UNKNOWN' });
  });
});

describe('what became of a refused payment', () => {
  test('is nothing but a lost PIN, where that is why', async () => {
    const lost = await decided(true, [(draft) => Object.assign(draft, { held: null })]);
    expect(await report(lost)).toMatchObject({ ok: false, reason: 'OUTCOME_NOT_EXPECTED' });
    expect(await report(lost, { outcome: 'pin-wrong' })).toMatchObject({ ok: false, reason: 'OUTCOME_NOT_EXPECTED' });
    expect(await report(lost, { outcome: 'pin-lost' })).toMatchObject({
      ok: true,
      value: { repeat: { triesLeft: 2 } },
    });
    const other = await decided(true, [(draft) => void draft.icc.set('9F27', '00')]);
    expect(await report(other, { outcome: 'pin-lost' })).toMatchObject({ ok: false, reason: 'OUTCOME_NOT_EXPECTED' });
  });
});
