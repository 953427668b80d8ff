import { describe, expect, test } from '@jest/globals';
import {
  type Checkpoint,
  checkpointHash,
  decodeCheckpoint,
  encodeCheckpoint,
  MOST_HEADS,
  NO_CHECKPOINT,
  nextCheckpoint,
} from '../../src/audit/checkpoint.ts';
import { START } from '../support/clock.ts';
import { unwrap } from '../support/unwrap.ts';
import { FIRST } from './support.ts';

const writer = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const head = (n: number, sequence = 1n) => ({ writer: writer(n), sequence, hash: Buffer.alloc(32, n) });
const checkpoint: Checkpoint = {
  number: 7n,
  previous: Buffer.alloc(32, 6),
  at: START,
  entries: 12n,
  heads: [head(1, 4n), head(2, 8n)],
  takenUp: null,
};

describe('a checkpoint', () => {
  test('is read as it was written', () => {
    expect(unwrap(decodeCheckpoint(encodeCheckpoint(checkpoint)))).toEqual(checkpoint);
    const last = { number: 9n, hash: Buffer.alloc(32, 9) };
    const taken: Checkpoint = { ...checkpoint, takenUp: { last, by: 'ann', at: START } };
    expect(unwrap(decodeCheckpoint(encodeCheckpoint(taken)))).toEqual(taken);
  });

  test('holds at most 256 heads, at least one', () => {
    const heads = Array.from({ length: MOST_HEADS }, (_, n) => head(n));
    expect(decodeCheckpoint(encodeCheckpoint({ ...checkpoint, heads })).ok).toBe(true);
    expect(decodeCheckpoint(encodeCheckpoint({ ...checkpoint, heads: [...heads, head(256)] })).ok).toBe(false);
    expect(decodeCheckpoint(encodeCheckpoint({ ...checkpoint, heads: [] })).ok).toBe(false);
  });

  const text = encodeCheckpoint(checkpoint).toString();
  test.each([
    ['no JSON', '{', 'checkpoint: not JSON'],
    ['a list', '[]', 'checkpoint: not the expected members'],
    ['a member more', text.replace('{', '{"more":1,'), 'checkpoint: not the expected members'],
    ['a number as a number', text.replace('"7"', '7'), 'checkpoint: not the expected members'],
    ['number 0', text.replace('"7"', '"0"'), 'checkpoint: not the expected members'],
    ['a leading zero', text.replace('"7"', '"07"'), 'checkpoint: not the expected members'],
    ['more digits than 18', text.replace('"7"', `"${'1'.repeat(19)}"`), 'checkpoint: not the expected members'],
    ['a short hash', text.replace('0606', '06'), 'checkpoint: not the expected members'],
    ['a time without milliseconds', text.replace('.000Z', 'Z'), 'checkpoint: not the expected members'],
    ['a writer that is none', text.replace(writer(1), 'x'), 'checkpoint: not the expected members'],
    ['one writer twice', text.replace(writer(2), writer(1)), 'checkpoint: heads out of order'],
    ['white space', `${text} `, 'checkpoint: another serialisation'],
    ['members in another order', reordered(text), 'checkpoint: another serialisation'],
    ['more than 64 KiB', `${text}${' '.repeat(65_536)}`, 'checkpoint: too long'],
  ])('is refused with %s', (_what, payload, detail) => {
    expect(decodeCheckpoint(Buffer.from(payload))).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail });
  });

  test('of exactly 64 KiB is not too long', () => {
    const padded = text + ' '.repeat(65_536 - text.length);
    expect(decodeCheckpoint(Buffer.from(padded))).toMatchObject({ detail: 'checkpoint: another serialisation' });
  });

  test('follows the one before, with what was added since', () => {
    const first = nextCheckpoint(
      FIRST,
      [
        { ...head(2, 5n), signed: 0n },
        { ...head(1, 3n), signed: 0n },
      ],
      START,
    );
    expect(first).toEqual({
      number: 1n,
      previous: Buffer.alloc(32),
      at: START,
      entries: 8n,
      heads: [head(1, 3n), head(2, 5n)],
      takenUp: null,
    });
    const name = { number: 1n, hash: checkpointHash(encodeCheckpoint(first)) };
    const second = nextCheckpoint({ name, entries: 8n }, [{ ...head(2, 9n), signed: 5n }], START);
    expect(second).toMatchObject({ number: 2n, previous: name.hash, entries: 12n, heads: [head(2, 9n)] });
    expect(NO_CHECKPOINT).toEqual({ number: 0n, hash: Buffer.alloc(32), entries: 0n });
  });

  test('is named by a hash of its bytes', () => {
    const hash = checkpointHash(encodeCheckpoint(checkpoint));
    expect(hash).toHaveLength(32);
    expect(checkpointHash(encodeCheckpoint({ ...checkpoint, entries: 13n }))).not.toEqual(hash);
  });
});

function reordered(json: string): string {
  const { checkpoint: number, ...rest } = JSON.parse(json) as Record<string, unknown>;
  return JSON.stringify({ ...rest, checkpoint: number });
}
