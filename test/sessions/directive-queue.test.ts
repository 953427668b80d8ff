import { expect, test } from '@jest/globals';
import { DirectiveQueue } from '../../src/sessions/directive-queue.ts';

test('a phone that reads slowly is kept the latest directive of each kind, in the order in which the kinds came', () => {
  const queue = new DirectiveQueue();
  expect(queue.take()).toBeNull();
  for (let number = 1; number <= 100; number += 1) {
    queue.put({ kind: 'policy-changed', detail: `policy-${number}` });
    queue.put({ kind: 'pin-off', reason: 'PIN_OFF' });
  }
  expect(queue.take()).toEqual({ kind: 'policy-changed', detail: 'policy-100' });
  queue.put({ kind: 'policy-changed', detail: 'policy-101' });
  expect(queue.take()).toEqual({ kind: 'pin-off', reason: 'PIN_OFF' });
  expect(queue.take()).toEqual({ kind: 'policy-changed', detail: 'policy-101' });
  expect(queue.take()).toBeNull();
});
