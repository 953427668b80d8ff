import { describe, expect, test } from '@jest/globals';
import { failureCode, VolatileStoreUnavailable } from '../../../src/store/volatile/unavailable.ts';

class SocketClosed extends Error {}

describe('the code of a failure', () => {
  test.each<[string, unknown, string]>([
    [
      "the system's",
      Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:6379'), { code: 'ECONNREFUSED' }),
      'ECONNREFUSED',
    ],
    ["the first word of Redis's answer", new Error('WRONGPASS invalid username-password pair'), 'WRONGPASS'],
    ["the name of the client's error", new SocketClosed('Socket closed unexpectedly'), 'SocketClosed'],
    ['the one that it has', new VolatileStoreUnavailable('LATE'), 'LATE'],
    ['unknown for what is no error', 'secret', 'UNKNOWN'],
    ['unknown for nothing', null, 'UNKNOWN'],
    ['unknown for a code that is no word', Object.assign(new Error(''), { code: 'a secret' }), 'UNKNOWN'],
    ['unknown for a code without end', Object.assign(new Error(''), { code: 'a'.repeat(41) }), 'UNKNOWN'],
  ])('is %s', (_name, error, code) => {
    expect(failureCode(error)).toBe(code);
  });

  test('holds nothing of an answer that repeats a password', () => {
    const answer = new Error("ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'secret'");
    expect(failureCode(answer)).toBe('ERR');
    expect(new VolatileStoreUnavailable(failureCode(answer)).message).not.toContain('secret');
  });
});
