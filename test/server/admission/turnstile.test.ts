import { describe, expect, test } from '@jest/globals';
import { randomFraction } from '../../../src/ports/random.ts';
import { Turnstile } from '../../../src/server/admission/turnstile.ts';
import { TestClock } from '../../support/clock.ts';
import { SeededRandom } from '../../support/random.ts';
import { Timeline } from './support/timeline.ts';

const never = new AbortController().signal;

function turnstile(atOneTime: number, waiting: number, clock = new TestClock()) {
  const loads: { inside: number; waiting: number }[] = [];
  const made = new Turnstile({ bounds: () => ({ atOneTime, waiting }), clock, onChange: (load) => loads.push(load) });
  return { made, clock, loads };
}

async function entered(made: Turnstile, signal = never): Promise<() => void> {
  const entrance = await made.enter(signal);
  if (!entrance.entered) throw new Error('sent away');
  return entrance.leave;
}

describe('a turnstile', () => {
  test('lets as many in as its bound says, and the next in line as each leaves', async () => {
    const { made, loads } = turnstile(2, 2);
    const leave = [await entered(made), await entered(made)];
    const order: string[] = [];
    const third = entered(made).then((gone) => [order.push('third'), gone] as const);
    const fourth = entered(made).then((gone) => [order.push('fourth'), gone] as const);
    expect(loads.at(-1)).toEqual({ inside: 2, waiting: 2 });
    leave[0]?.();
    const [, leaveThird] = await third;
    expect(order).toEqual(['third']);
    leaveThird();
    await fourth;
    expect(order).toEqual(['third', 'fourth']);
    expect(loads.at(-1)).toEqual({ inside: 2, waiting: 0 });
  });

  test('counts a place that is left twice once', async () => {
    const { made } = turnstile(1, 0);
    const leave = await entered(made);
    leave();
    leave();
    await entered(made);
    expect(await made.enter(never)).toMatchObject({ entered: false });
  });

  test('forgets those who leave while they wait, and rejects with their reason', async () => {
    const { made, loads } = turnstile(1, 1);
    const leave = await entered(made);
    const gone = new AbortController();
    const waiting = made.enter(gone.signal);
    gone.abort(new Error('left'));
    await expect(waiting).rejects.toThrow('left');
    expect(loads.at(-1)).toEqual({ inside: 1, waiting: 0 });
    leave();
    await entered(made);
    await expect(made.enter(gone.signal)).rejects.toThrow('left');
  });

  test('tells each one whom it sends away a later time, up to a longest one', async () => {
    const { made } = turnstile(1, 1);
    await entered(made);
    void made.enter(never);
    const delays: number[] = [];
    for (let caller = 0; caller < 1000; caller += 1) {
      const entrance = await made.enter(never);
      if (!entrance.entered) delays.push(entrance.returnAfterMilliseconds);
    }
    expect(delays).toHaveLength(1000);
    expect(delays).toEqual([...delays].sort((a, b) => a - b));
    expect(delays[9]).toBeGreaterThan(delays[0] ?? 0);
    expect(delays.at(-1)).toBe(60_000);
  });

  test('sends nobody away whose bound was raised meanwhile', async () => {
    const bounds = { atOneTime: 1, waiting: 5 };
    const made = new Turnstile({ bounds: () => bounds, clock: new TestClock() });
    const leave = await entered(made);
    const waiting = [entered(made), entered(made)];
    bounds.atOneTime = 3;
    leave();
    await Promise.all(waiting);
    expect(await made.enter(never)).toMatchObject({ entered: true });
  });
});

describe('a thousand phones at one time', () => {
  const PHONES = 1000;
  const STAY = 50;

  /** Every phone tries, and comes back when it is told to; `jitter` as RetryInfo is drawn. */
  async function stampede(atOneTime: number, waiting: number) {
    const timeline = new Timeline();
    const random = new SeededRandom('stampede');
    const made = new Turnstile({ bounds: () => ({ atOneTime, waiting }), clock: timeline.clock });
    const attempts: number[] = [];
    let most = 0;
    let inside = 0;
    const phone = async (): Promise<void> => {
      for (let attempt = 1; ; attempt += 1) {
        const entrance = await made.enter(never);
        if (entrance.entered) {
          inside += 1;
          most = Math.max(most, inside);
          await timeline.sleep(STAY);
          inside -= 1;
          entrance.leave();
          attempts.push(attempt);
          return;
        }
        const { returnAfterMilliseconds: least } = entrance;
        await timeline.sleep(least + Math.floor(randomFraction(random) * Math.max(250, least * 0.2)));
      }
    };
    const phones = Array.from({ length: PHONES }, phone);
    await timeline.run(Promise.all(phones));
    return { attempts: attempts.sort((a, b) => a - b), most, milliseconds: timeline.elapsed };
  }

  test('all get through where they honour the delay, within few attempts and not long after the least time', async () => {
    const { attempts, most, milliseconds } = await stampede(8, 32);
    const least = (PHONES * STAY) / 8;
    expect(attempts).toHaveLength(PHONES);
    expect(most).toBe(8);
    expect(attempts.at(-1)).toBeLessThanOrEqual(12);
    expect(milliseconds).toBeLessThan(least * 6);
  });

  test('get through one at a time, too', async () => {
    const { attempts, most } = await stampede(1, 0);
    expect(attempts).toHaveLength(PHONES);
    expect(most).toBe(1);
  });
});
