import type { ClientDuplexStream } from '@grpc/grpc-js';
import { ClientConversation } from '../../wire/channel.ts';

/** One message of a phone's exchanges: the stream, its direction, and its number on that stream from 1. */
export interface PhoneMoment {
  readonly exchange: 'attest' | 'resume' | 'inject' | 'session' | 'pin';
  readonly direction: 'sent' | 'received';
  readonly number: number;
}

/** Told of every message, and waited for, before the phone goes on: where a test cuts, kills or suspends. */
export type PhoneProbe = (moment: PhoneMoment) => Promise<void>;

/** A stream of the phone, with its probe. */
export class PhoneStream<Out, In> {
  readonly #conversation: ClientConversation<Out, In>;
  readonly #exchange: PhoneMoment['exchange'];
  readonly #probe: PhoneProbe;
  #sent = 0;
  #received = 0;

  constructor(call: ClientDuplexStream<Out, In>, exchange: PhoneMoment['exchange'], probe: PhoneProbe) {
    this.#conversation = new ClientConversation(call);
    this.#exchange = exchange;
    this.#probe = probe;
  }

  async send(message: Out): Promise<void> {
    await this.#conversation.send(message);
    this.#sent += 1;
    await this.#probe({ exchange: this.#exchange, direction: 'sent', number: this.#sent });
  }

  async next(options: { readonly withinMilliseconds: number }): Promise<In | null> {
    const message = await this.#conversation.next(options);
    this.#received += 1;
    await this.#probe({ exchange: this.#exchange, direction: 'received', number: this.#received });
    return message;
  }

  close(): void {
    this.#conversation.close();
  }

  cancel(): void {
    this.#conversation.cancel();
  }
}
