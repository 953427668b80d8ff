import { access, copyFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { initCertificates } from '../certs/init.ts';
import { type Config, ConfigError } from './config.ts';
import type { DataFolder } from './data-folder.ts';
import { faultText } from './fault-text.ts';
import { initialiseVault } from './new-vault.ts';
import { systemClock } from './system.ts';

/** Development certificates that `serve` makes by itself are valid this long. */
const CERTIFICATE_DAYS = 90;

const DEFAULT_POLICY = fileURLToPath(new URL('./policy.default.yaml', import.meta.url));

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    // Missing, or not to be read; reading it says which.
    return false;
  }
}

/**
 * Makes what a new folder lacks: policy, development certificates, software vault; a vault on a token or behind a socket is
 * made by its own command. What is there is never changed.
 * Throws ConfigError where something cannot be made.
 */
export async function prepareFolder(folder: DataFolder, config: Config, tell: (step: string) => void): Promise<void> {
  await folder.make();
  if (config.policy === folder.policy && !(await isThere(folder.policy))) {
    await copyFile(DEFAULT_POLICY, folder.policy);
    tell(`default policy written to ${folder.policy}`);
  }
  const certificates = await initCertificates({
    directory: folder.certificates,
    hosts: config.hosts,
    acquirers: config.acquirers,
    admins: config.administrators,
    now: systemClock.now(),
    days: CERTIFICATE_DAYS,
  });
  if (!certificates.ok) throw new ConfigError(`${folder.certificates}: ${faultText(certificates)}`);
  const { created } = certificates.value;
  if (created.length > 0) tell(`${created.length} development certificates made in ${folder.certificates}`);
  if (config.vault.socket !== undefined || (await isThere(folder.vault))) return;
  // Keys on a token are somebody's decision, not a side effect of a start.
  if (config.vault.kind === 'pkcs11')
    throw new ConfigError(`There is no keystore in ${folder.vault} yet. Make one: tapgate vault init`);
  await initialiseVault(folder.vault, config.vault);
  tell(`software vault made in ${folder.vault}`);
}
