import { z } from 'zod';
import type { DatabaseAddress } from '../store/sql/engine/pool.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);
const DEFAULT_PORT = 5432;
const URL_FORM = 'postgresql://user@host[:port]/database, without a password: that comes from passwordFile';
const MAXIMUM_NAME = 63;

const name = z.string().min(1).max(MAXIMUM_NAME);
const port = z.int().min(1).max(65_535);
const pemFile = z.string().min(1).optional();

type Place = Pick<DatabaseAddress, 'host' | 'port' | 'user' | 'database'>;

/** Percent-decoded text; null where it is not UTF-8 or an escape is broken. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    // URIError: the caller refuses the address.
    return null;
  }
}

/** The parts of a connection address; null where it is none, or says more than where and who. */
function placeOf(text: string): Place | null {
  const url = URL.parse(text);
  if (url === null || !['postgresql:', 'postgres:'].includes(url.protocol)) return null;
  if (url.password !== '' || url.search !== '' || url.hash !== '' || url.hostname === '') return null;
  const host = decoded(url.hostname)?.replace(/^\[(.*)\]$/, '$1') ?? null;
  const user = decoded(url.username);
  const database = decoded(url.pathname.slice(1));
  if (host === null || !user || !database || database.includes('/')) return null;
  return { host, port: url.port === '' ? DEFAULT_PORT : Number(url.port), user, database };
}

const place = z.strictObject({
  url: z
    .string()
    .max(2048)
    // The message does not repeat the address: somebody may have written a password into it.
    .refine((text) => placeOf(text) !== null, URL_FORM)
    .optional()
    .describe('Short form of host, port, user and name'),
  host: z.string().min(1).max(255).optional().describe('Name, address, or folder of a Unix socket'),
  port: port.optional(),
  user: name.optional(),
  name: name.optional().describe('The database'),
});

const tls = z
  .strictObject({
    ca: pemFile.describe("Authorities of the database's certificate; the system's where not stated"),
    cert: pemFile.describe("This service's certificate"),
    key: pemFile.describe('Its key, mode 0600'),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key go together');

/** A PostgreSQL or CockroachDB server that others run, in place of the embedded one. */
export const databaseConfigSchema = place
  .extend({
    passwordFile: z
      .string()
      .min(1)
      .optional()
      .describe('Mode 0600, read anew for each connection; else TAPGATE_DATABASE_PASSWORD'),
    tls: z
      .union([z.literal('off'), tls])
      .default({})
      .describe('The certificate is verified against the host; "off" is for a socket or the loopback interface'),
    maximumConnections: z.int().min(1).max(500).default(16).describe('Of each replica'),
  })
  .transform(({ url, host, port: given, user, name: database, ...rest }, context) => {
    const fields = [host, given, user, database];
    if (url !== undefined && fields.some((field) => field !== undefined)) {
      context.addIssue({ code: 'custom', message: 'url stands for host, port, user and name: state one or the other' });
      return z.NEVER;
    }
    const stated = host && user && database ? { host, port: given ?? DEFAULT_PORT, user, database } : null;
    const at = url === undefined ? stated : placeOf(url);
    if (at === null) {
      context.addIssue({ code: 'custom', message: 'url, or host, user and name, are required' });
      return z.NEVER;
    }
    if (rest.tls === 'off' && !at.host.startsWith('/') && !LOOPBACK.has(at.host)) {
      context.addIssue({
        code: 'custom',
        path: ['tls'],
        message: 'off is for a Unix socket or the loopback interface',
      });
      return z.NEVER;
    }
    return { ...rest, ...at };
  });

/** A checked configuration of an external database. It never holds a password. */
export type DatabaseConfig = z.infer<typeof databaseConfigSchema>;

/** The same with its files as absolute paths. */
export function withAbsoluteDatabaseFiles(
  database: DatabaseConfig,
  absolute: (path: string) => string,
): DatabaseConfig {
  const { passwordFile, tls: files } = database;
  return {
    ...database,
    ...(passwordFile === undefined ? {} : { passwordFile: absolute(passwordFile) }),
    tls: files === 'off' ? files : mapped(files, absolute),
  };
}

type TlsFiles = Exclude<DatabaseConfig['tls'], 'off'>;

function mapped(files: TlsFiles, absolute: (path: string) => string): TlsFiles {
  const entries = Object.entries(files).flatMap(([part, file]) =>
    file === undefined ? [] : [[part, absolute(file)] as const],
  );
  return Object.fromEntries(entries);
}
