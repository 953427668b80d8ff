import { describe, expect, test } from '@jest/globals';
import { SlotState } from '../../src/gen/tapgate/v1/key_slot.ts';
import { ok, type Result, refuse } from '../../src/reasons/result.ts';
import { everySlot } from '../../src/vault/client/custody.ts';

const slotOf = (slotId: string) => ({
  slotId,
  kind: 'receipt',
  acquirer: '',
  state: SlotState.ACTIVE,
  keyCheckValue: '0011223344',
  keyId: '',
  bdkId: '',
  history: [],
  nextStepAt: undefined,
  resting: undefined,
  enteredBy: '',
  expiresAt: undefined,
});
type Answer = { readonly slots: readonly string[]; readonly total: number; readonly generation: bigint };

/** A vault that gives these answers one after the other, the last one for ever. */
function vaultOf(answers: readonly (Answer | 'refused')[]) {
  const asked: number[] = [];
  const ask = async (
    from: number,
  ): Promise<Result<{ slots: ReturnType<typeof slotOf>[]; total: number; generation: bigint }>> => {
    const answer = answers[Math.min(asked.length, answers.length - 1)]!;
    asked.push(from);
    return answer === 'refused' ? refuse('VAULT_UNAVAILABLE') : ok({ ...answer, slots: answer.slots.map(slotOf) });
  };
  return { asked, ask };
}
const idsOf = (result: Awaited<ReturnType<typeof everySlot>>) =>
  result.ok ? result.value.map(({ slotId }) => slotId) : result.reason;

describe('every slot', () => {
  test('is asked for from where the last answer ended', async () => {
    const { asked, ask } = vaultOf([
      { slots: ['a', 'b'], total: 3, generation: 4n },
      { slots: ['c'], total: 3, generation: 4n },
    ]);
    expect(idsOf(await everySlot(ask))).toEqual(['a', 'b', 'c']);
    expect(asked).toEqual([0, 2]);
  });

  test('is of one generation: after a change in between all are asked for again', async () => {
    const { asked, ask } = vaultOf([
      { slots: ['a', 'b'], total: 3, generation: 4n },
      { slots: ['d'], total: 4, generation: 5n },
      { slots: ['a', 'b', 'c'], total: 4, generation: 5n },
      { slots: ['d'], total: 4, generation: 5n },
    ]);
    expect(idsOf(await everySlot(ask))).toEqual(['a', 'b', 'c', 'd']);
    expect(asked).toEqual([0, 2, 0, 3]);
  });

  test('of none is none', async () => {
    expect(idsOf(await everySlot(vaultOf([{ slots: [], total: 0, generation: 1n }]).ask))).toEqual([]);
  });

  test.each<[string, (Answer | 'refused')[]]>([
    ['refuses', [{ slots: ['a'], total: 2, generation: 1n }, 'refused']],
    [
      'tells fewer than there are',
      [
        { slots: ['a'], total: 2, generation: 1n },
        { slots: [], total: 2, generation: 1n },
      ],
    ],
  ])('of a vault that %s is unavailable', async (_, answers) => {
    expect(idsOf(await everySlot(vaultOf(answers).ask))).toBe('VAULT_UNAVAILABLE');
  });

  test('of a keystore that changes all the time is unavailable in bounded time', async () => {
    const asked: number[] = [];
    const changing = (from: number) => {
      asked.push(from);
      return Promise.resolve(ok({ slots: [slotOf('a')], total: 2, generation: BigInt(asked.length) }));
    };
    expect(idsOf(await everySlot(changing))).toBe('VAULT_UNAVAILABLE');
    expect(asked.length).toBeLessThan(1_000);
  });
});
