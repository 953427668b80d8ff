import { describe, expect, test } from '@jest/globals';
import { paymentReason } from '../../src/gate/checks.ts';
import { decidePayment } from '../../src/gate/decide.ts';
import { factsFromJson, factsToJson } from '../../src/gate/facts.ts';
import type { NewDecision } from '../../src/gate/store.ts';
import { type Payment, payment } from './payment.ts';
import { IN_ORDER, WITH_PIN } from './refusals.ts';

/** Decides, and answers what was kept. */
async function keptOf(made: Payment): Promise<NewDecision | null> {
  let kept: NewDecision | null = null;
  const commit = async (decision: NewDecision): Promise<boolean> => {
    kept = decision;
    return made.ports.decisions.commit(decision);
  };
  await decidePayment(made.request, { ...made.ports, decisions: { ...made.ports.decisions, commit } });
  return kept;
}

/** The reason of the checks on facts that went through the store. */
function replayed({ facts, decidedAt }: NewDecision, { stored, ports, phone }: Payment): string | null {
  const read = factsFromJson(JSON.parse(factsToJson(facts)));
  if (read === null || read === 'unreadable') throw new Error('no facts');
  expect(read).toEqual(facts);
  const { deviceId, acquirer, merchant } = phone;
  const policy = ports.policy({ deviceId, acquirer, merchant });
  if (policy === null) throw new Error('no policy');
  const { document } = policy;
  return paymentReason(read.payment, stored.grant, read.keySet, document, decidedAt) ?? read.foundElsewhere[0] ?? null;
}

test.each([false, true])('facts of an approval lead to it again; with a PIN: %s', async (withPin) => {
  const made = await payment({ withPin });
  const kept = await keptOf(made);
  expect(kept).toMatchObject({ outcome: 'approved', rootGrantId: made.stored.grant.id });
  expect(replayed(kept!, made)).toBeNull();
});

test.each([...IN_ORDER, ...WITH_PIN].filter(({ kept }) => kept))(
  'facts of a refusal lead to it again: $what',
  async ({ bend, reason }) => {
    const made = await payment({ withPin: true, bend: [bend] });
    const kept = await keptOf(made);
    expect(kept?.reasons).toEqual([reason]);
    expect(replayed(kept!, made)).toBe(reason);
  },
);

describe('facts', () => {
  test('hold nothing of the card but what a rule looks at', async () => {
    const secret = 'c0ffee'.repeat(4);
    const made = await payment({ bend: [(draft) => void draft.icc.set('DF8101', secret).set('9F7C', secret)] });
    const json = factsToJson((await keptOf(made))!.facts);
    expect(json).not.toContain('c0ffee');
    expect(json).toContain('9f2608');
  });

  test('hold nothing of ICC data that carries a PAN in clear', async () => {
    const made = await payment({ bend: [(draft) => void draft.icc.set('5A', '4761739001010010')] });
    const kept = await keptOf(made);
    expect(kept?.facts.payment.tap).toEqual({ unreadable: 'EMV_TAG_FORBIDDEN' });
    expect(factsToJson(kept!.facts)).not.toContain('4761739001010010');
  });

  test('of before they were kept are none; broken ones are told as such', () => {
    expect(factsFromJson(null)).toBeNull();
    expect(factsFromJson(undefined)).toBeNull();
    expect(factsFromJson({})).toBe('unreadable');
  });
});
