import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { ChannelTls } from '../../wire/channel.ts';

/** A gRPC message of no bytes: not compressed, length 0. */
const EMPTY_MESSAGE = Buffer.alloc(5);

/** What became of streams whose answers nobody read. */
export interface UnreadStreams {
  /** Reset by the server with ENHANCE_YOUR_CALM. */
  readonly cut: number;
  /** Ended in another way, or still open. */
  readonly others: number;
}

/**
 * Calls a unary gRPC method over and over on a few connections whose flow-control window is zero, reads nothing, and waits
 * for the server to cut the streams.
 */
export async function readNothing(
  address: string,
  tls: ChannelTls,
  path: string,
  load: { readonly connections: number; readonly streams: number; readonly waitMilliseconds: number },
): Promise<UnreadStreams> {
  const sessions = await Promise.all(Array.from({ length: load.connections }, () => open(address, tls)));
  try {
    const ends = sessions.flatMap((session) =>
      Array.from({ length: load.streams }, () => endOf(session, path, load.waitMilliseconds)),
    );
    const codes = await Promise.all(ends);
    const cut = codes.filter((code) => code === constants.NGHTTP2_ENHANCE_YOUR_CALM).length;
    return { cut, others: codes.length - cut };
  } finally {
    for (const session of sessions) session.destroy();
  }
}

async function open(address: string, { ca, cert, key }: ChannelTls): Promise<ClientHttp2Session> {
  const session = connect(`https://${address}`, {
    ca,
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    minVersion: 'TLSv1.3',
    settings: { initialWindowSize: 0 },
  });
  await once(session, 'connect');
  // A connection that is cut ends its streams, which is what is looked at.
  session.on('error', () => {});
  return session;
}

/** The code that a stream was closed with; null where it was not in time. */
function endOf(session: ClientHttp2Session, path: string, waitMilliseconds: number): Promise<number | null> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  // Told by its code.
  stream.on('error', () => {});
  stream.end(EMPTY_MESSAGE);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), waitMilliseconds);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve(stream.rstCode);
    });
  });
}
