import { connect, type Socket } from 'node:net';
import { ExchangeResponse } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { FrameReader, framesOf, HELLO } from '../frames.ts';

/** What a link tells its owner. */
export interface LinkEvents {
  /** The vault has taken the connection. */
  readonly up: () => void;
  readonly answer: (response: ExchangeResponse) => void;
  /** There is room to write again. */
  readonly room: () => void;
  /** Told once: nothing will be answered any more. */
  readonly down: () => void;
}

/** One connection to the vault, from its opening to its end. */
export class VaultLink {
  readonly #socket: Socket;
  readonly #events: LinkEvents;
  readonly #reader = new FrameReader();
  #open = true;
  #up = false;

  constructor(socket: string, events: LinkEvents) {
    this.#events = events;
    this.#socket = connect(socket);
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('drain', () => {
      if (this.#open) events.room();
    });
    this.#socket.on('error', () => this.cut());
    this.#socket.on('end', () => this.cut());
    this.#socket.on('close', () => this.cut());
    this.#socket.write(HELLO);
  }

  /** Writes serialised calls; false where the next ones have to wait for room. */
  write(calls: readonly Uint8Array[]): boolean {
    return this.#socket.write(framesOf(calls));
  }

  /** Ends the link at once. */
  cut(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.destroy();
    this.#events.down();
  }

  #take(chunk: Buffer): void {
    this.#reader.push(chunk);
    while (this.#open) {
      const message = this.#reader.next();
      if (this.#reader.greeted && !this.#up) {
        this.#up = true;
        this.#events.up();
      }
      if (!message.ok) this.cut();
      else if (message.value === null) return;
      else this.#answer(message.value);
    }
  }

  /** Tells of an answer; bytes that are none are of a vault of another version, or a broken one. */
  #answer(message: Buffer): void {
    let response: ExchangeResponse;
    try {
      response = ExchangeResponse.decode(message);
    } catch {
      this.cut();
      return;
    }
    this.#events.answer(response);
  }
}
