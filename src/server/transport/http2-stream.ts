import { constants, type ServerHttp2Stream } from 'node:http2';

// An interceptor wraps the call once; grpc-js itself adds none.
const MAXIMUM_WRAPPERS = 8;

function field(owner: unknown, name: string): unknown {
  return typeof owner === 'object' && owner !== null ? Reflect.get(owner, name) : undefined;
}

function isStream(value: unknown): value is ServerHttp2Stream {
  return typeof field(value, 'close') === 'function' && typeof field(value, 'once') === 'function';
}

/**
 * The HTTP/2 stream that carries a server call, or null where this version of grpc-js keeps it elsewhere.
 *
 * grpc-js offers no way to reset a stream whose peer does not read: a status waits behind the unread messages. Callers
 * must work, if less well, without it; a test fails when an upgrade moves it.
 */
export function streamBeneath(call: unknown): ServerHttp2Stream | null {
  let inner = field(call, 'call');
  for (let depth = 0; depth < MAXIMUM_WRAPPERS; depth += 1) {
    const stream = field(inner, 'stream');
    if (isStream(stream)) return stream;
    inner = field(inner, 'nextCall');
  }
  return null;
}

/** Resets the stream at once; messages that were not sent yet are dropped. */
export function resetStream(stream: ServerHttp2Stream | null): void {
  if (stream && !stream.closed) stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
}

/**
 * Resets the stream unless it is closed within the time: a peer that does not read its status, or that goes on sending
 * after it, holds nothing. The latter has its answer, and is told NO_ERROR (RFC 9113 8.1).
 */
export function closeWithin(stream: ServerHttp2Stream | null, milliseconds: number): void {
  if (!stream || stream.destroyed) return;
  const timer = setTimeout(() => {
    if (stream.writableFinished) stream.close(constants.NGHTTP2_NO_ERROR);
    else resetStream(stream);
  }, milliseconds);
  timer.unref();
  stream.once('close', () => clearTimeout(timer));
}
