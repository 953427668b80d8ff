import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];
const LABEL = 'tapgate-virtual';
const PIN = '123456';
const SECURITY_OFFICER_PIN = '87654321';

/** The part of a configuration that puts the vault's keys on a token. */
export interface TokenVaultConfiguration {
  readonly kind: 'pkcs11';
  readonly module: string;
  readonly tokenLabel: string;
  readonly pinFile: string;
  /** Variables under which the module finds the token. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Path of SoftHSM 2's module on this machine; null where it is not installed. */
export function softHsmModule(): string | null {
  return MODULES.find((path) => existsSync(path)) ?? null;
}

/** Makes a token of SoftHSM in a folder of its own, which does not exist yet. Its PINs are no secrets: it holds test keys. */
export async function makeVirtualToken(folder: string, module: string): Promise<TokenVaultConfiguration> {
  const tokens = join(folder, 'tokens');
  await mkdir(tokens, { recursive: true, mode: 0o700 });
  const configuration = join(folder, 'softhsm2.conf');
  await writeFile(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const environment = { SOFTHSM2_CONF: configuration };
  const initialised = ['--init-token', '--free', '--label', LABEL, '--pin', PIN, '--so-pin', SECURITY_OFFICER_PIN];
  await promisify(execFile)('softhsm2-util', initialised, { env: { ...process.env, ...environment } });
  const pinFile = join(folder, 'pin');
  await writeFile(pinFile, `${PIN}\n`, { mode: 0o600 });
  return { kind: 'pkcs11', module, tokenLabel: LABEL, pinFile, environment };
}
