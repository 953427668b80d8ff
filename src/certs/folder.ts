import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { CertifiedKey } from './issue.ts';
import type { CertifiedCaller, Plane } from './uri-name.ts';

/** Why certificates are not made. The detail names the file or the name. */
export type CertificateReason =
  /** One of a certificate and its key is there without the other, or certificates without their authority. */
  | 'CERTIFICATES_INCOMPLETE'
  /** It is there already; nothing is ever overwritten. */
  | 'CERTIFICATE_EXISTS'
  /** What is there does not fit what is asked for: other hosts, another name, another authority, no certificate at all. */
  | 'CERTIFICATE_DIFFERS'
  /** The authority's key is not in the folder. */
  | 'AUTHORITY_MISSING'
  /** A name, a host or a number of days that no certificate can carry. */
  | 'NAME_INVALID';

/** Base names of the authority's and the server's files; no acquirer may be called so. */
export const RESERVED_NAMES: readonly string[] = ['ca', 'server'];

const KEY_MODE = 0o600;
const CERTIFICATE_MODE = 0o644;
const FOLDER_MODE = 0o700;

/** Base name of a caller's files: `<acquirer>`, or `<person>@<role>`. */
export function fileNameOf(caller: CertifiedCaller): string {
  return caller.plane === 'processing' ? caller.acquirer : `${caller.person}@${caller.role}`;
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ENOENT') return null;
    throw cause;
  }
}

/** The folder of one plane: `<directory>/<plane>/<name>.crt` and `.key`. */
export class CertificateFolder {
  readonly plane: Plane;
  readonly #path: string;

  constructor(directory: string, plane: Plane) {
    this.plane = plane;
    this.#path = join(directory, plane);
  }

  /** Path of the certificate and of the key of this name. */
  pathsOf(name: string): { readonly certificate: string; readonly key: string } {
    return { certificate: join(this.#path, `${name}.crt`), key: join(this.#path, `${name}.key`) };
  }

  /** Base names of all certificates of the folder, sorted; none where there is no folder. */
  async names(): Promise<string[]> {
    const entries = await readdir(this.#path).catch(() => []);
    return entries
      .filter((entry) => entry.endsWith('.crt'))
      .map((entry) => entry.slice(0, -'.crt'.length))
      .sort();
  }

  /** The certificate of this name, or null. */
  async certificate(name: string): Promise<string | null> {
    return readOrNull(this.pathsOf(name).certificate);
  }

  /** Certificate and key, null where neither is there; CERTIFICATES_INCOMPLETE where only one is. */
  async read(name: string): Promise<Result<CertifiedKey | null, CertificateReason>> {
    const paths = this.pathsOf(name);
    const [certificate, key] = [await readOrNull(paths.certificate), await readOrNull(paths.key)];
    if (certificate === null && key === null) return ok(null);
    if (certificate === null) return refuse('CERTIFICATES_INCOMPLETE', `${paths.certificate} is missing`);
    if (key === null) return refuse('CERTIFICATES_INCOMPLETE', `${paths.key} is missing`);
    return ok({ certificate, key });
  }

  /** Writes key (mode 0600) and certificate (0644). Throws (EEXIST) rather than overwrite. */
  async write(name: string, { certificate, key }: CertifiedKey): Promise<void> {
    const paths = this.pathsOf(name);
    await mkdir(this.#path, { recursive: true, mode: FOLDER_MODE });
    await writeFile(paths.key, key, { flag: 'wx', mode: KEY_MODE });
    await writeFile(paths.certificate, certificate, { flag: 'wx', mode: CERTIFICATE_MODE });
  }
}
