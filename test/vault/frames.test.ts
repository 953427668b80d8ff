import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type FrameFault, FrameReader, fitsFrame, framesOf, HELLO } from '../../src/vault/frames.ts';
import { MAX_MESSAGE_BYTES } from '../../src/vault/limits.ts';

const SEED = { seed: 20_260_301, numRuns: 300 };

/** What a reader made of bytes that came in these parts. */
interface Read {
  readonly messages: readonly string[];
  readonly fault: FrameFault | null;
  readonly isWithin: boolean;
}

function read(parts: readonly Uint8Array[]): Read {
  const reader = new FrameReader();
  const messages: string[] = [];
  let fault: FrameFault | null = null;
  for (const part of parts) {
    reader.push(Buffer.from(part));
    for (;;) {
      const message = reader.next();
      if (!message.ok) fault = message.reason;
      if (!message.ok || message.value === null) break;
      messages.push(message.value.toString('hex'));
    }
  }
  return { messages, fault, isWithin: reader.isWithin };
}

/** The bytes cut at these places. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...cuts, bytes.length].map((end, at) => bytes.subarray(at === 0 ? 0 : cuts[at - 1], end));
}

const hex = (messages: readonly Uint8Array[]): string[] => messages.map((bytes) => Buffer.from(bytes).toString('hex'));
const message = fc.uint8Array({ minLength: 1, maxLength: 300 });
const messages = fc.array(message, { maxLength: 12 });
const places = fc.array(fc.nat(), { maxLength: 40 });

describe('frames', () => {
  test('are the messages that went in, however their bytes are split', () => {
    fc.assert(
      fc.property(messages, places, (given, cuts) => {
        const bytes = Buffer.concat([HELLO, framesOf(given)]);
        expect(read(cutAt(bytes, cuts))).toEqual({ messages: hex(given), fault: null, isWithin: false });
      }),
      SEED,
    );
  });

  test('are the same byte by byte', () => {
    const given = [Buffer.alloc(1, 1), Buffer.alloc(255, 2), Buffer.alloc(256, 3), Buffer.alloc(70_000, 4)];
    const bytes = Buffer.concat([HELLO, framesOf(given)]);
    const parts = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
    expect(read(parts)).toEqual({ messages: hex(given), fault: null, isWithin: false });
  });

  test('that were cut off show as such, and give the messages before', () => {
    fc.assert(
      fc.property(messages, fc.nat(), places, (given, end, cuts) => {
        const bytes = Buffer.concat([HELLO, framesOf(given)]);
        const kept = bytes.subarray(0, end % (bytes.length + 1));
        const boundaries = given.map((_, at) => HELLO.length + framesOf(given.slice(0, at + 1)).length);
        const whole = boundaries.filter((boundary) => boundary <= kept.length).length;
        expect(read(cutAt(kept, cuts))).toEqual({
          messages: hex(given).slice(0, whole),
          fault: null,
          isWithin: ![0, HELLO.length, ...boundaries].includes(kept.length),
        });
      }),
      SEED,
    );
  });

  test.each<[string, number, FrameFault]>([
    ['nothing', 0, 'FRAME_EMPTY'],
    ['a byte more than a message may have', MAX_MESSAGE_BYTES + 1, 'FRAME_TOO_LONG'],
    ['the most that four bytes can say', 0xffff_ffff, 'FRAME_TOO_LONG'],
  ])('of %s are refused, and nothing is read after them', (_what, length, fault) => {
    fc.assert(
      fc.property(messages, messages, places, (before, after, cuts) => {
        const bad = Buffer.alloc(4);
        bad.writeUInt32BE(length);
        const bytes = Buffer.concat([HELLO, framesOf(before), bad, framesOf(after)]);
        expect(read(cutAt(bytes, cuts))).toMatchObject({ messages: hex(before), fault });
      }),
      SEED,
    );
  });

  test('of the longest message are taken', () => {
    const longest = Buffer.alloc(MAX_MESSAGE_BYTES, 7);
    const bytes = Buffer.concat([HELLO, framesOf([longest, Buffer.of(1)])]);
    expect(read(cutAt(bytes, [100, 65_536, 131_072, 200_000])).messages).toEqual(hex([longest, Buffer.of(1)]));
    expect([fitsFrame(longest), fitsFrame(Buffer.alloc(MAX_MESSAGE_BYTES + 1)), fitsFrame(Buffer.alloc(0))]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('that are pushed before those before were taken come in their order', () => {
    const reader = new FrameReader();
    reader.push(Buffer.concat([HELLO, framesOf([Buffer.of(1), Buffer.of(2)])]));
    expect(reader.next()).toEqual({ ok: true, value: Buffer.of(1) });
    reader.push(framesOf([Buffer.of(3)]));
    expect([reader.next(), reader.next(), reader.next()]).toEqual([
      { ok: true, value: Buffer.of(2) },
      { ok: true, value: Buffer.of(3) },
      { ok: true, value: null },
    ]);
  });
});

describe('a hello', () => {
  test('of any other bytes is refused, and nothing is read after it', () => {
    const other = fc.uint8Array({ minLength: HELLO.length, maxLength: 40 });
    fc.assert(
      fc.property(
        other.filter((bytes) => !Buffer.from(bytes.subarray(0, HELLO.length)).equals(HELLO)),
        messages,
        places,
        (hello, after, cuts) => {
          const bytes = Buffer.concat([hello, framesOf(after)]);
          expect(read(cutAt(bytes, cuts))).toMatchObject({ messages: [], fault: 'FRAME_HELLO' });
        },
      ),
      SEED,
    );
  });
});
