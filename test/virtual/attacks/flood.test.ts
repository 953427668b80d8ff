import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { type Flood, floodBeside } from '../../../src/virtual/attacks/flood.ts';

/** A sender of at most so many calls, of which those after the first few are refused; tells how many it sent. */
function sender(calls: number, taken: number) {
  const sent = { calls: 0 };
  const send = async (flood: Flood): Promise<void> => {
    while (sent.calls < calls && !flood.isEnough) {
      sent.calls += 1;
      if (sent.calls > taken) flood.noteRefused();
      await nextTurn();
    }
  };
  return { sent, send };
}

describe('a flood', () => {
  test('that is held off while honest work is done ends as TOO_MANY_REQUESTS, after some more refusals', async () => {
    const { sent, send } = sender(1000, 5);
    let servedAfter = 0;
    const outcome = await floodBeside(send, async () => {
      servedAfter = sent.calls;
    });
    expect(outcome).toBe('TOO_MANY_REQUESTS');
    expect(servedAfter).toBeGreaterThan(5);
    expect(sent.calls).toBe(25);
  });

  test('goes on as long as the honest work takes', async () => {
    const { sent, send } = sender(1000, 0);
    await floodBeside(send, async () => {
      while (sent.calls < 60) await nextTurn();
    });
    expect(sent.calls).toBeGreaterThanOrEqual(60);
    expect(sent.calls).toBeLessThan(100);
  });

  test('of which every call is taken has succeeded, and nothing honest is begun', async () => {
    let begun = false;
    const outcome = await floodBeside(sender(10, 10).send, async () => {
      begun = true;
    });
    expect(outcome).toBe('ALLOWED (every call was taken)');
    expect(begun).toBe(false);
  });

  test('that keeps others from being served says so', async () => {
    const outcome = await floodBeside(sender(100, 1).send, () => Promise.reject(new Error('not paid')));
    expect(outcome).toBe('OTHERS_NOT_SERVED (not paid)');
  });

  test('whose sender fails is no outcome, before the limit and after it', async () => {
    const failing = async (): Promise<void> => {
      throw new Error('connection lost');
    };
    await expect(floodBeside(failing, async () => {})).rejects.toThrow('connection lost');
    const later = async (flood: Flood): Promise<void> => {
      flood.noteRefused();
      await nextTurn();
      throw new Error('connection lost');
    };
    await expect(floodBeside(later, async () => {})).rejects.toThrow('connection lost');
  });
});
