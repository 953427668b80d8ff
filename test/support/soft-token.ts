import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import type { TokenAddress } from '../../src/vault/pkcs11/token.ts';
import { softHsmModule } from '../../src/virtual/world/soft-token.ts';

const MODULE = softHsmModule();
const SECURITY_OFFICER_PIN = '87654321';

/** Runs where SoftHSM 2 is installed; elsewhere a line says that it was left out. */
export const describeOnToken: typeof describe = MODULE === null ? (skipped() as typeof describe) : describe;

function skipped(): unknown {
  process.stdout.write('SoftHSM 2 is not installed: what needs a token is skipped\n');
  return describe.skip;
}

/**
 * Sets a variable of this very process for native code: what a test sees as process.env is a copy that the module does
 * not read.
 */
export async function setForModules(environment: Readonly<Record<string, string>>): Promise<void> {
  const { default: koffi } = await import('koffi');
  const setVariable = koffi.load(null).func('setenv', 'int', ['const char *', 'const char *', 'int']);
  for (const [name, value] of Object.entries(environment)) setVariable(name, value, 1);
}

/** A token of SoftHSM in a folder of its own. */
export interface SoftToken {
  readonly root: string;
  readonly address: TokenAddress;
  /** Variables under which SoftHSM finds the token. */
  readonly environment: Readonly<Record<string, string>>;
  /** The vault's part of a configuration that names the token. */
  readonly configuration: object;
  setPinFile(pin: string): void;
  /** Takes the token away, and brings it back. */
  draw(): void;
  plug(): void;
  remove(): void;
}

/** Makes a token with a user's PIN in a file. */
export function makeSoftToken(label = 'tapgate-test', pin = '123456'): SoftToken {
  const root = mkdtempSync(join(tmpdir(), 'tapgate-token-'));
  const tokens = join(root, 'tokens');
  mkdirSync(tokens, { mode: 0o700 });
  const configuration = join(root, 'softhsm2.conf');
  writeFileSync(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const environment = { SOFTHSM2_CONF: configuration };
  const given = ['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', SECURITY_OFFICER_PIN];
  execFileSync('softhsm2-util', given, { env: { ...process.env, ...environment }, stdio: 'pipe' });
  const pinFile = join(root, 'pin');
  const setPinFile = (text: string): void => writeFileSync(pinFile, `${text}\n`, { mode: 0o600 });
  setPinFile(pin);
  return {
    root,
    address: { module: MODULE ?? '', label, pinFile },
    environment,
    configuration: { kind: 'pkcs11', module: MODULE, tokenLabel: label, pinFile, environment },
    setPinFile,
    draw: () => renameSync(tokens, `${tokens}.drawn`),
    plug: () => {
      rmSync(tokens, { recursive: true, force: true });
      renameSync(`${tokens}.drawn`, tokens);
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
