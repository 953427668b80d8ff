import type { Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ChannelCredentials } from '@grpc/grpc-js';

type Target = Parameters<ChannelCredentials['_createSecureConnector']>;
type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;

const LOOK_EVERY = 1_000;

function field(owner: unknown, name: string): unknown {
  return typeof owner === 'object' && owner !== null ? Reflect.get(owner, name) : undefined;
}

/**
 * Whether the system holds the connection for ended: it knows no peer of it any more.
 *
 * Node asks for a peer once and remembers it, and has no other way that tells. Where a version of it has no such handle this is
 * false, and a lost connection is found by its ping only; a test fails then.
 */
function isEnded(socket: Socket): boolean {
  const handle = field(socket, '_handle');
  const peer = field(handle, 'getpeername');
  return typeof peer === 'function' && Reflect.apply(peer, handle, [{}]) !== 0;
}

/** Closes a connection that has ended and does not say so. One that is looked at between its end and its news is let be. */
function closeOnceEnded(socket: Socket): void {
  let ended = false;
  const looking = setInterval(() => {
    const before = ended;
    ended = isEnded(socket);
    if (before && ended) socket.destroy();
  }, LOOK_EVERY);
  looking.unref();
  socket.once('close', () => clearInterval(looking));
}

/**
 * TLS credentials of a channel whose connections do not outlive their TCP connection, by two seconds at most.
 *
 * Node's TLS keeps a write that failed at once for one that is under way. Where a connection is reset while two of its TLS records
 * are read, and a write follows each, HTTP/2 waits for the second write for ever and reads no more, so that it never sees the
 * end: every stream hangs, new ones among them, until a ping is not answered, and the socket is never closed.
 */
export class WatchedTlsCredentials extends ChannelCredentials {
  readonly #tls: ChannelCredentials;

  constructor(options: SecureContextOptions) {
    super();
    this.#tls = ChannelCredentials.createFromSecureContext(createSecureContext(options));
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(...target: Target): Connector {
    const connector = this.#tls._createSecureConnector(...target);
    return {
      connect: (socket) => {
        closeOnceEnded(socket);
        return connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }
}
