import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import type { DatabaseAddress } from '../store/sql/engine/pool.ts';
import { ConfigError, readText } from './config.ts';
import type { DatabaseConfig } from './database-config.ts';
import { readSecret } from './secret-file.ts';

/** The variable that holds the password where no file is named. */
export const PASSWORD_VARIABLE = 'TAPGATE_DATABASE_PASSWORD';

/**
 * Where the configured database is, with what proves both sides; every file is read once here, so that what is wrong
 * with one shows at the start. Throws ConfigError, which never repeats what is in a file.
 */
export async function databaseAddress(
  config: DatabaseConfig,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<DatabaseAddress> {
  const { host, port, user, database } = config;
  const password = await passwordOf(config.passwordFile, environment[PASSWORD_VARIABLE]);
  // A Unix socket does not leave the machine, and the database takes no TLS on it.
  const tls = config.tls === 'off' || host.startsWith('/') ? null : await tlsOf(config.tls);
  return {
    host,
    port,
    user,
    database,
    ...(password === null ? {} : { password }),
    ...(tls === null ? {} : { tls }),
  };
}

async function passwordOf(
  file: string | undefined,
  stated: string | undefined,
): Promise<NonNullable<DatabaseAddress['password']> | null> {
  if (file === undefined) return stated ? async () => stated : null;
  const read = async (): Promise<string> => {
    const password = (await readSecret(file)).replace(/\r?\n$/, '');
    if (password === '')
      throw new ConfigError(
        `${file} is empty. Write the database's password into it, or leave database.passwordFile out.`,
      );
    return password;
  };
  await read();
  return read;
}

async function tlsOf(files: Exclude<DatabaseConfig['tls'], 'off'>): Promise<ConnectionOptions> {
  const { ca, cert, key } = files;
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca: await parsed(ca, await readText(ca), 'a certificate', certificate) }),
    ...(cert === undefined ? {} : { cert: await parsed(cert, await readText(cert), 'a certificate', certificate) }),
    ...(key === undefined ? {} : { key: await parsed(key, await readSecret(key), 'a private key', createPrivateKey) }),
  };
}

const certificate = (text: string): X509Certificate => new X509Certificate(text);

/** The text, once it has parsed: a file that is none would fail each connection, and say little. */
async function parsed(file: string, text: string, what: string, parse: (text: string) => unknown): Promise<string> {
  try {
    parse(text);
  } catch {
    // What the parser says may repeat what it read.
    throw new ConfigError(`${file} is not ${what} in PEM. Check the paths in database.tls.`);
  }
  return text;
}
