import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { RedisUrl } from '../../../src/store/volatile/redis-url.ts';

describe('an address of Redis', () => {
  test.each<[string, object]>([
    ['redis://redis.example', { endpoint: { host: 'redis.example', port: 6379 }, tls: false, database: 0 }],
    ['rediss://redis.example:7000/', { endpoint: { host: 'redis.example', port: 7000 }, tls: true, database: 0 }],
    ['redis://[2001:db8::7]:6380/15', { endpoint: { host: '2001:db8::7', port: 6380 }, tls: false, database: 15 }],
    ['unix:///run/redis/a%20b.sock', { endpoint: { path: '/run/redis/a b.sock' }, tls: false, database: 0 }],
  ])('%s is read', (text, parts) => {
    const url = RedisUrl.parse(text);
    expect(url).toMatchObject(parts);
    expect(url?.credentials()).toEqual({});
  });

  test('has the user and the password that it states, decoded', () => {
    expect(RedisUrl.parse('rediss://tap%3Agate:p%40ss%2Fword@redis.example')?.credentials()).toEqual({
      username: 'tap:gate',
      password: 'p@ss/word',
    });
    expect(RedisUrl.parse('rediss://:only@redis.example')?.credentials()).toEqual({ password: 'only' });
  });

  test.each([
    '',
    'redis.example:6379',
    'http://redis.example',
    'redis://',
    'redis://redis.example:70000',
    'redis://redis.example/database',
    'redis://redis.example/1/2',
    'redis://redis.example/1234',
    'redis://redis.example?tls=false',
    'redis://redis.example#1',
    'redis://user:%ff@redis.example',
    'unix://host/redis.sock',
    'unix:///',
    `redis://${'a'.repeat(2000)}`,
  ])('%j is none', (text) => {
    expect(RedisUrl.parse(text)).toBeNull();
  });

  test('is private where nobody can listen on the way', () => {
    const isPrivate = (text: string) => RedisUrl.parse(text)?.isPrivate;
    expect(isPrivate('rediss://redis.example')).toBe(true);
    expect(isPrivate('redis://127.0.0.1')).toBe(true);
    expect(isPrivate('redis://[::1]')).toBe(true);
    expect(isPrivate('redis://localhost')).toBe(true);
    expect(isPrivate('unix:///run/redis.sock')).toBe(true);
    expect(isPrivate('redis://redis.example')).toBe(false);
  });

  test('does not show its password', () => {
    const url = RedisUrl.parse('rediss://user:secret@redis.example:7000/2');
    const shown = [`${url}`, JSON.stringify({ url }), inspect({ url }, { showHidden: true, depth: null })];
    for (const text of shown) {
      expect(text).toContain('rediss://redis.example:7000/2');
      expect(text).not.toMatch(/secret|user/);
    }
    expect(`${RedisUrl.parse('redis://[::1]:6380/1')}`).toBe('redis://[::1]:6380/1');
    expect(`${RedisUrl.parse('unix:///run/redis.sock')}`).toBe('unix:///run/redis.sock');
  });
});
