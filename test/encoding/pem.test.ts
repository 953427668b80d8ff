import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodePem, encodePem } from '../../src/encoding/pem.ts';

describe('PEM', () => {
  test('blocks come back in their order, with the text around them passed over', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 4 }),
        (blocks) => {
          const text = blocks.map((block) => `a note\n${encodePem('CERTIFICATE', block)}`).join('\n');
          expect(decodePem(text, 'CERTIFICATE', 10_000)).toEqual({
            ok: true,
            value: blocks.map((block) => Buffer.from(block)),
          });
        },
      ),
      { seed: 1 },
    );
  });

  test('lines are of 64 characters, and Windows line ends are read', () => {
    const text = encodePem('CERTIFICATE', Buffer.alloc(100, 1));
    expect(text.split('\n').map((line) => line.length)).toEqual([27, 64, 64, 8, 25, 0]);
    expect(decodePem(text.replaceAll('\n', '\r\n'), 'CERTIFICATE', 1000)).toEqual({
      ok: true,
      value: [Buffer.alloc(100, 1)],
    });
  });

  test.each([
    ['no block', 'nothing', 'PEM_EMPTY'],
    ['a block of another label', encodePem('PRIVATE KEY', Buffer.of(1)), 'PEM_EMPTY'],
    ['a block without its end', '-----BEGIN CERTIFICATE-----\nAQ==', 'PEM_MALFORMED'],
    ['a block of nothing', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----', 'PEM_MALFORMED'],
    ['a block that is not base64', '-----BEGIN CERTIFICATE-----\nA!==\n-----END CERTIFICATE-----', 'PEM_MALFORMED'],
    ['a block with a broken length', '-----BEGIN CERTIFICATE-----\nAQI\n-----END CERTIFICATE-----', 'PEM_MALFORMED'],
    ['a text over the limit', ' '.repeat(1001), 'PEM_TOO_LARGE'],
  ])('%s is refused', (_, text, reason) => {
    expect(decodePem(text, 'CERTIFICATE', 1000)).toEqual({ ok: false, reason });
  });
});
