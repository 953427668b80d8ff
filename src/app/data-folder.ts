import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from './config.ts';

const endpoint = z.object({ host: z.string(), port: z.number() });

const addressesSchema = z.object({ device: endpoint, processing: endpoint, admin: endpoint, ops: endpoint });

/** Where a running service listens. */
export type Addresses = z.infer<typeof addressesSchema>;

/** The places of an installation of the embedded profile. */
export class DataFolder {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get certificates(): string {
    return join(this.root, 'certs');
  }
  get vault(): string {
    return join(this.root, 'vault');
  }
  get database(): string {
    return join(this.root, 'postgres');
  }
  get revocation(): string {
    return join(this.root, 'revocation');
  }
  get policy(): string {
    return join(this.root, 'policy.yaml');
  }
  get config(): string {
    return join(this.root, 'config.yaml');
  }
  /** The service anchor's SubjectPublicKeyInfo, PEM: what ships in the app. */
  get serviceAnchor(): string {
    return join(this.root, 'service-anchor.pem');
  }
  get #addresses(): string {
    return join(this.root, 'addresses.json');
  }

  /** Makes the folder, closed to others but for passing through: the database has its own account where root serves. */
  async make(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o711 });
  }

  /** The configuration file, if the folder has one. */
  async configIfThere(): Promise<string | null> {
    try {
      await access(this.config);
      return this.config;
    } catch {
      // None: the defaults hold.
      return null;
    }
  }

  /** Says where the service listens, for the commands that call it. */
  async announce(addresses: Addresses): Promise<void> {
    const draft = `${this.#addresses}.new`;
    await writeFile(draft, `${JSON.stringify(addresses, null, 2)}\n`);
    await rename(draft, this.#addresses);
  }

  /** Where the service of this folder listens. Throws ConfigError where none has been started. */
  async addresses(): Promise<Addresses> {
    try {
      return addressesSchema.parse(JSON.parse(await readFile(this.#addresses, 'utf8')));
    } catch {
      throw new ConfigError(
        `No service has been started on ${this.root}. Start one: tapgate serve --data ${this.root}`,
      );
    }
  }
}

const LOOPBACK = new Set(['127.0.0.1', '::1']);

/** `host:port` as gRPC takes it. */
export function target({ host, port }: { readonly host: string; readonly port: number }): string {
  // TLS sends the name of the server, and an address is none (RFC 6066 §3).
  if (LOOPBACK.has(host)) return `localhost:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
