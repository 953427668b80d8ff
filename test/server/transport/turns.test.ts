import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { Turns } from '../../../src/server/transport/turns.ts';

describe('work in turns of the event loop', () => {
  test('is done later, a few pieces in each turn, in order', async () => {
    const done: number[] = [];
    const turns = new Turns(2);
    for (const piece of [1, 2, 3, 4, 5]) turns.add(() => done.push(piece));
    expect(done).toEqual([]);
    await turn();
    expect(done).toEqual([1, 2]);
    await turn();
    expect(done).toEqual([1, 2, 3, 4]);
    await turn();
    expect(done).toEqual([1, 2, 3, 4, 5]);
  });

  test('takes pieces that others add while they are done, and goes on after a pause', async () => {
    const done: string[] = [];
    const turns = new Turns(1);
    turns.add(() => {
      done.push('first');
      turns.add(() => done.push('added'));
    });
    for (let count = 0; count < 2; count += 1) await turn();
    expect(done).toEqual(['first', 'added']);
    turns.add(() => done.push('later'));
    await turn();
    expect(done).toEqual(['first', 'added', 'later']);
  });
});
