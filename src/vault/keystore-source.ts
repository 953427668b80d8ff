import { basename, dirname } from 'node:path';
import { SecretBytes } from '../payment-crypto/secret.ts';
import type { Clock } from '../ports/clock.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { readPrivateFile } from './keystore/folder.ts';
import { MasterKeyOfPassphrase, MasterKeyOfToken, masterKeyInFile, tokenSerialOf } from './keystore/master-key.ts';
import type { Keystore } from './keystore/place.ts';
import { Token, type TokenFault } from './pkcs11/token.ts';
import { TokenKeys } from './pkcs11/token-keys.ts';

/** Where a vault's keys come from. Paths are absolute; secrets are in files of mode 0600. */
export type KeystoreSource =
  /** Key blocks; the master key in a file beside them, or from a passphrase. */
  | { readonly kind: 'software'; readonly passphraseFile?: string | undefined }
  /** Base derivation, signing and root keys in a token; the rest key blocks under what the root key gives. */
  | { readonly kind: 'pkcs11'; readonly module: string; readonly tokenLabel: string; readonly pinFile: string };

/** Why a source cannot be used. `PASSPHRASE_FILE`: not there, open to others, or shorter than a passphrase is. */
export type SourceFault = TokenFault | 'PASSPHRASE_FILE';

const SHORTEST_PASSPHRASE = 12;
const MAX_PASSPHRASE_BYTES = 1024;
const NEW_LINE = 0x0a;

/** A passphrase out of its file, mode 0600, without the new line at its end. The caller wipes it. */
export function readPassphrase(path: string): Result<SecretBytes, 'PASSPHRASE_FILE'> {
  const bytes = readPrivateFile(dirname(path), basename(path), MAX_PASSPHRASE_BYTES);
  if (!bytes.ok) return refuse('PASSPHRASE_FILE', bytes.reason);
  const end = bytes.value.at(-1) === NEW_LINE ? bytes.value.length - 1 : bytes.value.length;
  const passphrase = new SecretBytes(bytes.value.subarray(0, end));
  bytes.value.fill(0);
  return end >= SHORTEST_PASSPHRASE ? ok(passphrase) : refuse('PASSPHRASE_FILE', `under ${SHORTEST_PASSPHRASE} bytes`);
}

/** The keystore of a folder, as far as its source: a token is logged in to. The folder itself is not looked at yet. */
export async function keystoreOf(
  directory: string,
  source: KeystoreSource,
  clock: Clock,
): Promise<Result<Keystore, SourceFault>> {
  if (source.kind === 'pkcs11') {
    const { module, tokenLabel, pinFile } = source;
    const options = { serial: tokenSerialOf(directory), memory: directory, clock };
    const opened = await Token.open({ module, label: tokenLabel, pinFile }, options);
    if (!opened.ok) return opened;
    const token = new TokenKeys(opened.value);
    return ok({ directory, master: new MasterKeyOfToken(token), token });
  }
  if (source.passphraseFile === undefined) return ok({ directory, master: masterKeyInFile, token: null });
  const passphrase = readPassphrase(source.passphraseFile);
  if (!passphrase.ok) return passphrase;
  return ok({ directory, master: new MasterKeyOfPassphrase(passphrase.value), token: null });
}
