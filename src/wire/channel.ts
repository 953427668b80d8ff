import type { ChannelCredentials, ChannelOptions, ClientDuplexStream } from '@grpc/grpc-js';
import { WatchedTlsCredentials } from './credentials.ts';

/** What a client trusts and shows, PEM. */
export interface ChannelTls {
  /** Authorities of the server's certificate: no other is trusted. */
  readonly ca: string | Buffer;
  /** The client certificate with its intermediates, and its key: both or none. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

/** TLS 1.3 credentials of a channel. Throws TypeError for a certificate without its key, or a key alone. */
export function channelCredentials({ ca, cert, key }: ChannelTls): ChannelCredentials {
  if ((cert === undefined) !== (key === undefined)) throw new TypeError('a client certificate comes with its key');
  const own = cert !== undefined && key !== undefined ? { cert, key } : {};
  return new WatchedTlsCredentials({ minVersion: 'TLSv1.3', ca, ...own });
}

/** What a channel may be given beside its credentials. */
export interface ChannelSettings {
  /** Largest message received, in bytes. */
  readonly maximumReceiveBytes?: number;
  readonly maximumSendBytes?: number;
  readonly keepaliveMilliseconds?: number;
  /** The server's name in its certificate, where it is not the one of the address. */
  readonly serverName?: string;
  /** Share no connection with other channels of the process, as separate phones do. */
  readonly ownConnection?: boolean;
}

/**
 * Channel options for Tapgate: no transparent retries (their buffers grow with a stream's length, and every exchange
 * knows best what may be repeated), bounded messages, keepalive, no proxy, no configuration out of DNS.
 */
export function channelOptions(settings: ChannelSettings = {}): ChannelOptions {
  const { maximumReceiveBytes = 262_144, maximumSendBytes = 65_536, keepaliveMilliseconds = 60_000 } = settings;
  return {
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': maximumReceiveBytes,
    'grpc.max_send_message_length': maximumSendBytes,
    'grpc.keepalive_time_ms': keepaliveMilliseconds,
    'grpc.keepalive_timeout_ms': 20_000,
    ...(settings.serverName !== undefined && { 'grpc.ssl_target_name_override': settings.serverName }),
    ...(settings.ownConnection && { 'grpc.use_local_subchannel_pool': 1 }),
  };
}

/** The step took longer than the client allows. */
export class ExchangeTimeout extends Error {
  constructor(milliseconds: number) {
    super(`no message within ${milliseconds} ms`);
    this.name = 'ExchangeTimeout';
  }
}

// Messages that arrived and were not taken; then nothing more is read.
const MAXIMUM_UNREAD = 16;

interface Waiter<In> {
  readonly resolve: (message: In | null) => void;
  readonly reject: (cause: unknown) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

/** A bidirectional stream as a client sees it. One `next` at a time. */
export class ClientConversation<Out, In> {
  readonly #call: ClientDuplexStream<Out, In>;
  readonly #unread: In[] = [];
  readonly #left: Promise<void>;
  #waiter: Waiter<In> | null = null;
  #ended = false;
  #error: { readonly cause: unknown } | null = null;

  constructor(call: ClientDuplexStream<Out, In>) {
    this.#call = call;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#left = promise;
    call.on('data', (message: In) => this.#arrive(message));
    // The status comes as an error at once, even where messages before it were not taken yet; 'end' follows them.
    call.on('error', (cause: unknown) => {
      this.#error ??= { cause };
      resolve();
    });
    call.on('end', () => {
      this.#ended = true;
      resolve();
      this.#wake();
    });
  }

  /**
   * The next message, or null when the service has ended the stream well.
   *
   * Rejects with the ServiceError of the stream's status (see `refusalFromError`), or with ExchangeTimeout where nothing
   * came in time; the stream goes on then.
   */
  async next({ withinMilliseconds }: { readonly withinMilliseconds?: number } = {}): Promise<In | null> {
    if (this.#waiter) throw new Error('another call already waits for the next message');
    const message = this.#unread.shift();
    if (message !== undefined) {
      if (this.#unread.length === 0 && this.#call.isPaused()) this.#call.resume();
      return message;
    }
    return new Promise((resolve, reject) => {
      const overdue = (): void => {
        this.#waiter = null;
        reject(new ExchangeTimeout(withinMilliseconds ?? 0));
      };
      const timer = withinMilliseconds === undefined ? undefined : setTimeout(overdue, withinMilliseconds);
      this.#waiter = { resolve, reject, timer };
      if (this.#ended) this.#wake();
    });
  }

  /** Hands a message to the stream; resolves when there is room for the next one, or when the stream has ended. */
  async send(message: Out): Promise<void> {
    if (this.#error || this.#ended) return;
    if (this.#call.write(message)) return;
    const drained = new Promise<void>((resolve) => this.#call.once('drain', resolve));
    await Promise.race([drained, this.#left]);
  }

  /** Says that no more messages follow; `next` still takes what comes. */
  close(): void {
    if (!this.#error && !this.#ended) this.#call.end();
  }

  /** Ends the stream at once, as a lost phone would. */
  cancel(): void {
    this.#call.cancel();
  }

  #arrive(message: In): void {
    const waiter = this.#waiter;
    if (!waiter) {
      this.#unread.push(message);
      if (this.#unread.length >= MAXIMUM_UNREAD) this.#call.pause();
      return;
    }
    this.#waiter = null;
    clearTimeout(waiter.timer);
    waiter.resolve(message);
  }

  #wake(): void {
    const waiter = this.#waiter;
    if (!waiter || !this.#ended) return;
    this.#waiter = null;
    clearTimeout(waiter.timer);
    if (this.#error) waiter.reject(this.#error.cause);
    else waiter.resolve(null);
  }
}
