const DEFAULT_PORT = 6379;
const INSPECT = Symbol.for('nodejs.util.inspect.custom');
const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);

/** Where Redis listens: a TCP port, or a Unix socket's path. */
export type RedisEndpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** Whom the service is to Redis. */
export interface RedisCredentials {
  readonly username?: string;
  readonly password?: string;
}

interface Parts {
  readonly endpoint: RedisEndpoint;
  readonly tls: boolean;
  readonly database: number;
  readonly credentials: RedisCredentials;
}

/**
 * Address of a Redis server: `redis[s]://[user[:password]@]host[:port][/database]` or `unix:///path`. Its password is
 * never printed: text, JSON and inspection show the address without it.
 */
export class RedisUrl {
  readonly endpoint: RedisEndpoint;
  /** Whether the connection is TLS (`rediss:`). */
  readonly tls: boolean;
  readonly database: number;
  readonly #credentials: RedisCredentials;

  private constructor({ endpoint, tls, database, credentials }: Parts) {
    this.endpoint = endpoint;
    this.tls = tls;
    this.database = database;
    this.#credentials = credentials;
  }

  /** Parses an address; null for anything else, also for one with a query or a fragment. */
  static parse(text: string): RedisUrl | null {
    const parts = text.length > 1024 ? null : partsOf(text);
    return parts === null ? null : new RedisUrl(parts);
  }

  /** User and password, where the address has them. */
  credentials(): RedisCredentials {
    return this.#credentials;
  }

  /** True where the bytes stay on this machine or are enciphered on their way. */
  get isPrivate(): boolean {
    return this.tls || 'path' in this.endpoint || LOOPBACK.has(this.endpoint.host);
  }

  toString(): string {
    if ('path' in this.endpoint) return `unix://${this.endpoint.path}`;
    const { host, port } = this.endpoint;
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return `${this.tls ? 'rediss' : 'redis'}://${authority}/${this.database}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [INSPECT](): string {
    return this.toString();
  }
}

function partsOf(text: string): Parts | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.search !== '' || url.hash !== '') return null;
  const path = decoded(url.pathname);
  const username = decoded(url.username);
  const password = decoded(url.password);
  if (path === null || username === null || password === null) return null;
  const credentials = { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
  if (url.protocol === 'unix:') {
    const isSocket = url.host === '' && path.length > 1 && path.startsWith('/');
    return isSocket ? { endpoint: { path }, tls: false, database: 0, credentials } : null;
  }
  const database = /^\/?(\d{0,3})$/.exec(path)?.[1];
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!['redis:', 'rediss:'].includes(url.protocol) || host === '' || database === undefined) return null;
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  return { endpoint: { host, port }, tls: url.protocol === 'rediss:', database: Number(database), credentials };
}

/** Percent-decoded text; null where it is not UTF-8 or an escape is broken. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    // URIError: the caller refuses the address.
    return null;
  }
}
