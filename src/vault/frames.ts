import { equalBytes } from '../encoding/digest.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { MAX_MESSAGE_BYTES } from './limits.ts';

/** What each end of a connection says first, 8 bytes: a name, and the version of what follows. */
export const HELLO: Uint8Array = Buffer.from('TAPGATE\x01', 'latin1');

/** Why a connection cannot be read any further. */
export type FrameFault =
  /** It does not begin as one of this version does. */
  | 'FRAME_HELLO'
  /** A frame without a message. */
  | 'FRAME_EMPTY'
  /** A frame that says that it is longer than a message may be. */
  | 'FRAME_TOO_LONG';

const LENGTH_BYTES = 4;
const NOTHING = Buffer.alloc(0);

/**
 * Takes a connection's bytes apart: the hello, then frames of 4 bytes of length (big-endian, 1 to MAX_MESSAGE_BYTES) and so
 * many bytes of a message, however they were split on the way. After a fault it answers nothing else.
 *
 * It holds what was pushed and not taken yet, and at most one frame that has come in part.
 */
export class FrameReader {
  #chunk: Buffer = NOTHING;
  #at = 0;
  /** Hello or length, as far as it has come. */
  #head = Buffer.alloc(HELLO.length);
  #headBytes = 0;
  /** A frame of which the end is missing, and how much of it is here. */
  #frame: Buffer | null = null;
  #frameBytes = 0;
  #greeted = false;
  #fault: FrameFault | null = null;

  /** True once the other end's hello was read. */
  get greeted(): boolean {
    return this.#greeted;
  }

  /** True where hello or frame has come in part: at a connection's end, one that was cut. */
  get isWithin(): boolean {
    return this.#frame !== null || this.#headBytes > 0;
  }

  /** Takes what came next. The bytes are kept and must not be changed. */
  push(chunk: Buffer): void {
    this.#chunk = this.#rest === 0 ? chunk : Buffer.concat([this.#chunk.subarray(this.#at), chunk]);
    this.#at = 0;
  }

  /** The next frame's message; null where more has to come first. */
  next(): Result<Buffer | null, FrameFault> {
    if (this.#fault !== null) return refuse(this.#fault);
    if (!this.#greeted) {
      if (!this.#fillHead(HELLO.length)) return ok(null);
      if (!equalBytes(this.#head, HELLO)) return this.#fail('FRAME_HELLO');
      this.#greeted = true;
    }
    if (this.#frame !== null) return ok(this.#fillFrame(this.#frame));
    if (!this.#fillHead(LENGTH_BYTES)) return ok(null);
    const length = this.#head.readUInt32BE();
    if (length === 0) return this.#fail('FRAME_EMPTY');
    if (length > MAX_MESSAGE_BYTES) return this.#fail('FRAME_TOO_LONG');
    if (this.#rest >= length) {
      this.#at += length;
      return ok(this.#chunk.subarray(this.#at - length, this.#at));
    }
    this.#frame = Buffer.allocUnsafeSlow(length);
    return ok(this.#fillFrame(this.#frame));
  }

  get #rest(): number {
    return this.#chunk.length - this.#at;
  }

  #fail(fault: FrameFault): Result<null, FrameFault> {
    this.#fault = fault;
    this.#chunk = NOTHING;
    this.#at = 0;
    return refuse(fault);
  }

  /** True once hello or length is whole; the next one begins anew. */
  #fillHead(length: number): boolean {
    const part = Math.min(length - this.#headBytes, this.#rest);
    this.#chunk.copy(this.#head, this.#headBytes, this.#at, this.#at + part);
    this.#at += part;
    this.#headBytes += part;
    if (this.#headBytes < length) return false;
    this.#headBytes = 0;
    return true;
  }

  #fillFrame(frame: Buffer): Buffer | null {
    const part = Math.min(frame.length - this.#frameBytes, this.#rest);
    this.#chunk.copy(frame, this.#frameBytes, this.#at, this.#at + part);
    this.#at += part;
    this.#frameBytes += part;
    if (this.#frameBytes < frame.length) return null;
    this.#frame = null;
    this.#frameBytes = 0;
    return frame;
  }
}

/** True where a message of so many bytes fits in a frame. */
export function fitsFrame({ length }: Uint8Array): boolean {
  return length > 0 && length <= MAX_MESSAGE_BYTES;
}

/** Messages as frames, in one buffer. Each must fit its frame. */
export function framesOf(messages: readonly Uint8Array[]): Buffer {
  let bytes = 0;
  for (const { length } of messages) bytes += LENGTH_BYTES + length;
  const frames = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const message of messages) {
    at = frames.writeUInt32BE(message.length, at);
    frames.set(message, at);
    at += message.length;
  }
  return frames;
}
