import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';

const PREFIX_BYTES = 5;
const UNKNOWN = 2;

/** What is told of a call. */
export interface CallListener {
  message(bytes: Buffer): void;
  /** The gRPC status, once. */
  ended(status: number): void;
}

/**
 * A bidirectional gRPC call over a bare HTTP/2 stream, for clients by the ten thousand on the machine that measures the
 * server.
 */
export class BareCall {
  readonly #stream: ClientHttp2Stream;
  readonly #listener: CallListener;
  #rest: Buffer | null = null;
  #ended = false;

  constructor(session: ClientHttp2Session, path: string, listener: CallListener) {
    this.#listener = listener;
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
    this.#stream = session.request(headers, { endStream: false });
    this.#stream.on('response', (answer) => this.#look(answer));
    this.#stream.on('trailers', (trailers) => this.#look(trailers));
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk));
    // 'close' follows, and says enough.
    this.#stream.on('error', () => {});
    this.#stream.on('close', () => this.#end(UNKNOWN));
  }

  send(message: Uint8Array): void {
    const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
    frame[0] = 0;
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, PREFIX_BYTES);
    this.#stream.write(frame);
  }

  #look(headers: IncomingHttpHeaders): void {
    const status = headers['grpc-status'];
    if (status === undefined) return;
    this.#end(Number(status));
    this.#stream.end();
  }

  #take(chunk: Buffer): void {
    let bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= PREFIX_BYTES) {
      const length = bytes.readUInt32BE(1);
      if (bytes.length < PREFIX_BYTES + length) break;
      this.#listener.message(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + length));
      bytes = bytes.subarray(PREFIX_BYTES + length);
    }
    this.#rest = bytes.length === 0 ? null : bytes;
  }

  #end(status: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#listener.ended(status);
  }
}
