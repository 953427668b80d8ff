import { type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import {
  type ExchangeRequest,
  type ExchangeResponse,
  VaultServiceClient,
} from '../../gen/tapgate/vault/v1/vault_service.ts';
import { MAX_MESSAGE_BYTES } from '../limits.ts';
import { socketAddress } from '../socket-address.ts';

/** What a link tells its owner. */
export interface LinkEvents {
  /** The vault has taken the stream. */
  readonly up: () => void;
  readonly answer: (response: ExchangeResponse) => void;
  /** There is room to write again. */
  readonly room: () => void;
  /** Told once: nothing will be answered any more. */
  readonly down: () => void;
}

/** One connection to the vault with one exchange on it, from its opening to its end. */
export class VaultLink {
  readonly #client: VaultServiceClient;
  readonly #stream: ClientDuplexStream<ExchangeRequest, ExchangeResponse>;
  readonly #down: () => void;
  #open = true;

  constructor(socket: string, events: LinkEvents) {
    this.#down = events.down;
    this.#client = new VaultServiceClient(socketAddress(socket), credentials.createInsecure(), {
      // A pool of its own: a shared one would hold the last failure back and answer with it.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_channelz': 0,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    });
    this.#stream = this.#client.exchange();
    this.#stream.on('metadata', () => {
      if (this.#open) events.up();
    });
    this.#stream.on('data', (response: ExchangeResponse) => {
      if (this.#open) events.answer(response);
    });
    this.#stream.on('drain', () => {
      if (this.#open) events.room();
    });
    this.#stream.on('error', () => this.cut());
    this.#stream.on('end', () => this.cut());
  }

  /** Writes a call; false where the next one has to wait for room. */
  write(request: ExchangeRequest): boolean {
    return this.#stream.write(request);
  }

  /** Ends the link at once. */
  cut(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stream.cancel();
    this.#client.close();
    this.#down();
  }
}
