import type { Socket } from 'node:net';
import { ExchangeRequest, ExchangeResponse } from '../gen/tapgate/vault/v1/vault_service.ts';
import { FrameReader, fitsFrame, framesOf, HELLO } from './frames.ts';
import type { VaultLog } from './log.ts';
import { MessageWriter } from './message-writer.ts';

/** Answers that travel together, at the most: the first one waits until the last one is made. */
const MOST_TOGETHER = 16;

/** How the calls of a connection are answered. */
export interface Answering {
  readonly answer: (request: ExchangeRequest) => ExchangeResponse;
  readonly log: VaultLog;
}

/**
 * One client's connection, from its hello to its end. Calls are answered in the order in which they came, and no call is
 * looked at while answers wait for the client: what is outstanding is what the socket gave at once, one frame that came in
 * part, and one group of answers.
 *
 * A client that breaks the framing, or sends what is no message, is cut.
 */
export class VaultConnection {
  readonly #socket: Socket;
  readonly #answering: Answering;
  readonly #reader = new FrameReader();
  readonly #writer = new MessageWriter(ExchangeResponse);
  #blocked = false;
  #ended = false;
  /** What had come and gone when this connection was last looked at; null where it was waiting for nothing. */
  #seen: string | null = null;

  /** The socket must be one that stays open for writing after its other end was closed (`allowHalfOpen`). */
  constructor(socket: Socket, answering: Answering) {
    this.#socket = socket;
    this.#answering = answering;
    socket.on('data', (chunk) => {
      this.#reader.push(chunk);
      this.#work();
    });
    socket.on('drain', () => {
      this.#blocked = false;
      this.#work();
      if (!this.#blocked) socket.resume();
    });
    socket.on('end', () => {
      this.#ended = true;
      if (this.#reader.isWithin) this.#refuse('FRAME_TRUNCATED');
      else this.#work();
    });
    socket.on('error', () => answering.log('connection failed'));
    socket.write(HELLO);
  }

  /** Ends the connection at once. */
  cut(): void {
    this.#socket.destroy();
  }

  /**
   * Cuts a client that owes something and has not moved since the last look: its hello, the rest of a frame, room for its
   * answers, or the end that it has begun. One that has nothing to say may be silent as long as it likes.
   */
  cutIfStalled(): void {
    const owes = this.#blocked || this.#ended || !this.#reader.greeted || this.#reader.isWithin;
    const moved = owes ? `${this.#socket.bytesRead} ${this.#socket.writableLength}` : null;
    if (moved !== null && moved === this.#seen) this.#refuse('STALLED');
    this.#seen = moved;
  }

  /** Answers what has come, until the client has to take answers first. */
  #work(): void {
    while (!this.#blocked && !this.#socket.destroyed) {
      const answers = this.#nextAnswers();
      if (answers.length === 0) break;
      if (this.#socket.write(framesOf(answers))) continue;
      this.#blocked = true;
      this.#socket.pause();
    }
    if (this.#ended && !this.#blocked) this.#socket.end();
  }

  #nextAnswers(): Uint8Array[] {
    const answers: Uint8Array[] = [];
    while (answers.length < MOST_TOGETHER) {
      const message = this.#reader.next();
      if (!message.ok) return this.#refuse(message.reason);
      if (message.value === null) break;
      const request = decoded(message.value);
      if (request === null) return this.#refuse('NO_MESSAGE');
      answers.push(this.#answerTo(request));
    }
    return answers;
  }

  #answerTo(request: ExchangeRequest): Uint8Array {
    const { answer, log } = this.#answering;
    const message = this.#writer.bytesOf(answer(request));
    if (fitsFrame(message)) return message;
    log('answer too long', { operation: request.call?.$case ?? 'none', bytes: message.length });
    const refused = { $case: 'refused', value: 'VAULT_UNAVAILABLE' } as const;
    return this.#writer.bytesOf({ id: request.id, answer: refused });
  }

  #refuse(fault: string): [] {
    this.#answering.log('connection refused', { fault });
    this.cut();
    return [];
  }
}

/** A message of a frame; null for what is none: it has no id by which it could be answered. */
function decoded(message: Uint8Array): ExchangeRequest | null {
  try {
    return ExchangeRequest.decode(message);
  } catch {
    return null;
  }
}
