import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';

/** Key and certificates of a listener, PEM. */
export interface ListenerTls {
  readonly key: string | Buffer;
  /** The server's certificate, then its intermediates. */
  readonly cert: string | Buffer;
  /** Authorities of client certificates. Where they are given, no connection without such a certificate is accepted. */
  readonly clientCa?: string | Buffer;
}

function contextOptions({ key, cert, clientCa }: ListenerTls): SecureContextOptions {
  // Without authorities of its own, Node would trust the public ones.
  if (clientCa?.length === 0) throw new TypeError('client authorities are empty');
  const mutual = clientCa === undefined ? {} : { ca: clientCa };
  return { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', key, cert, ...mutual };
}

/**
 * TLS 1.3 and nothing below, and mutual where client authorities are given.
 *
 * `ServerCredentials.createSsl` takes no minimum version, and `tls.DEFAULT_MIN_VERSION` would bind every connection of
 * the process, also those to databases.
 */
export class Tls13Credentials extends ServerCredentials {
  readonly #mutual: boolean;

  constructor(tls: ListenerTls, handshakeMilliseconds: number) {
    const mutual = tls.clientCa !== undefined;
    super(
      { requestCert: mutual, rejectUnauthorized: mutual, handshakeTimeout: handshakeMilliseconds },
      contextOptions(tls),
    );
    this.#mutual = mutual;
  }

  /** New key and certificates for connections from now on. Throws TypeError where it would change who is asked for one. */
  renew(tls: ListenerTls): void {
    if ((tls.clientCa !== undefined) !== this.#mutual) throw new TypeError('a renewal keeps mutual TLS as it is');
    this.updateSecureContextOptions(contextOptions(tls));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
