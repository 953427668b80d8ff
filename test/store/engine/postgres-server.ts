import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { issueServerCertificateOf, newAuthority, validFor } from '../../../src/certs/issue.ts';
import { databaseAccount, type OsAccount } from '../../../src/store/sql/engine/embedded/account.ts';
import { runProgram, spawnProgram } from '../../../src/store/sql/engine/embedded/program.ts';
import { type DatabaseAddress, SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { temporaryFolder } from './temporary.ts';

/** Debian's packages put each major version there. */
const PROGRAMS = '/usr/lib/postgresql/15/bin';
const ROLE = 'tapgate';
const PASSWORD = 'correct horse: battery/staple?';

/** True where PostgreSQL 15 is installed; `npm test` does it as root on Debian. */
export const hasPostgres15 = existsSync(join(PROGRAMS, 'postgres'));

/** A PostgreSQL 15 that others run, as far as the service can tell: TCP with TLS and SCRAM; a socket for the tests. */
export class PostgresServer {
  /** Over TCP: the service's way. `host` is what the certificate names. */
  readonly address: Omit<DatabaseAddress, 'password' | 'tls'>;
  readonly password = PASSWORD;
  /** PEM files: the authority of the server's certificate. */
  readonly authority: string;
  readonly folder: string;
  readonly #account: OsAccount;
  #child: ChildProcess | null = null;

  private constructor(folder: string, account: OsAccount, port: number) {
    this.folder = folder;
    this.#account = account;
    this.address = { host: 'localhost', port, user: ROLE, database: ROLE };
    this.authority = join(folder, 'authority.pem');
  }

  static async start(): Promise<PostgresServer> {
    const server = new PostgresServer(temporaryFolder(), databaseAccount(), await freePort());
    await server.#initialise();
    await server.restart();
    const pool = new SqlPool({
      address: { ...server.socket, user: 'postgres', database: 'postgres' },
      applicationName: 'set-up',
    });
    await pool.query(`CREATE ROLE ${ROLE} LOGIN PASSWORD '${PASSWORD}'`);
    await pool.query(`CREATE DATABASE ${ROLE} OWNER ${ROLE}`);
    await pool.close();
    return server;
  }

  /** Over the Unix socket, where everybody of this machine is trusted: for the tests' own statements and proxies. */
  get socket(): DatabaseAddress {
    return { ...this.address, host: this.folder };
  }

  get #cluster(): string {
    return join(this.folder, 'cluster');
  }

  async #initialise(): Promise<void> {
    const { uid, gid } = this.#account;
    mkdirSync(this.#cluster, { mode: 0o700 });
    for (const path of [this.folder, this.#cluster]) chownSync(path, uid, gid);
    const access = ['--auth-local=trust', '--auth-host=scram-sha-256', '--username=postgres', '--no-sync'];
    await runProgram(
      join(PROGRAMS, 'initdb'),
      [`--pgdata=${this.#cluster}`, '--encoding=UTF8', '--locale=C', '--no-instructions', ...access],
      this.#account,
      { cwd: this.#cluster },
    );
    const validity = validFor(new Date(), 1);
    const authority = newAuthority('processing', validity);
    const server = issueServerCertificateOf('processing', authority, validity, []);
    writeFileSync(this.authority, authority.certificate);
    this.#write('server.crt', server.certificate);
    this.#write('server.key', server.key);
    this.#write('pg_hba.conf', 'local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n');
  }

  #write(name: string, content: string): void {
    const path = join(this.#cluster, name);
    writeFileSync(path, content, { mode: 0o600 });
    chmodSync(path, 0o600);
    chownSync(path, this.#account.uid, this.#account.gid);
  }

  /** Starts the server, which must not run; resolves once it takes connections. `settings` are of the server. */
  async restart(settings: readonly string[] = []): Promise<void> {
    const place = ['-k', this.folder, '-h', '127.0.0.1', '-p', String(this.address.port)];
    // A test's database may be lost with the machine.
    const fixed = ['ssl=on', 'fsync=off', 'log_min_messages=log', 'log_min_error_statement=panic'];
    const options = [...fixed, ...settings].flatMap((setting) => ['-c', setting]);
    const child = spawnProgram(join(PROGRAMS, 'postgres'), ['-D', this.#cluster, ...place, ...options], this.#account, {
      cwd: this.#cluster,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    if (child.stderr === null) throw new Error('PostgreSQL has no log');
    const said: string[] = [];
    const lines = createInterface(child.stderr);
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        if (said.length < 100) said.push(line);
        if (line.includes('ready to accept connections')) resolve();
      });
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`PostgreSQL did not start:\n${said.join('\n')}`)));
    });
  }

  /** Ends the server at once, without farewell to its clients. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGQUIT');
    await ended;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  server.close();
  await once(server, 'close');
  if (bound === null || typeof bound === 'string') throw new Error('no port is free');
  return bound.port;
}
