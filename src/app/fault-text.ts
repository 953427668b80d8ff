import type { StatusListFailure } from '../attestation/android/revocation.ts';
import type { CertificateReason } from '../certs/folder.ts';
import type { PemFailure } from '../encoding/pem.ts';
import type { FileFailure } from '../jobs/revocation/file.ts';
import { isReason, meaningOf } from '../reasons/catalogue.ts';
import type { BdkCeremonyFault } from '../vault/keystore/bdk-ceremony.ts';
import type { KeystoreFault } from '../vault/keystore/fault.ts';
import type { Tr34CeremonyFault } from '../vault/keystore/tr34-ceremony.ts';
import type { CeremonyFault } from '../vault/keystore/zone-ceremony.ts';
import type { SourceFault } from '../vault/keystore-source.ts';

type OfCeremony<F> = Exclude<F, `TR34_${string}` | `KEY_${string}` | `COMPONENT${string}` | 'OAEP_MODULUS'>;

/** Every fault of files and ceremonies that a command can meet, but for those of the catalogue and of a family. */
type Fault =
  | KeystoreFault
  | SourceFault
  | OfCeremony<BdkCeremonyFault | CeremonyFault | Tr34CeremonyFault>
  | Extract<Tr34CeremonyFault, `TR34_KEY_${string}` | 'TR34_OTHER_KEY'>
  | CertificateReason
  | FileFailure
  | PemFailure
  | StatusListFailure;

const RESTORE = 'Restore the folder from its copy; no new keys take the place of these.';
const STATUS_LIST = 'It is no status list of attestation certificates. Fetch it again from its source.';

const WORDS: Readonly<Record<Fault, string>> = {
  KEYSTORE_EXISTS: 'Something is there already and is not overwritten. Name another folder, or move this one away.',
  KEYSTORE_MISSING:
    'The folder, its master key or its slots are not there. Restore it from its copy, or make a new one: tapgate vault init',
  KEYSTORE_OWNER:
    "It belongs to another user. Run the command as the vault's user, or give the folder and its files to this one.",
  KEYSTORE_MODE: 'Others have rights on it, and may have read it. Close it: chmod 700 the folder, chmod 600 its files.',
  KEYSTORE_CORRUPT: `A file of it is damaged, or of another keystore. ${RESTORE}`,
  KEYSTORE_INCOMPLETE: `A slot that the vault needs is missing, or there twice. ${RESTORE}`,
  KEYSTORE_FORM:
    'What the change would have written could not be read again, so nothing was written. Shorten the name or certificate that the detail points at.',
  KEYSTORE_BUSY:
    'Another change is under way. Wait for it; where no command or vault is at it, one was cut off: remove the file whose name ends in .lock.',
  KEYSTORE_PASSPHRASE: 'It was made with another passphrase. Name the file of that one: vault.passphraseFile.',
  KEYSTORE_IO: 'The file system refused. Look at the space, the mount and the rights of the folder.',
  TOKEN_UNAVAILABLE: 'The token does not answer. Check that it is plugged in, and that module and label name it.',
  TOKEN_PLATFORM: 'Modules of tokens are called on 64-bit Linux and macOS only, with the optional packages installed.',
  TOKEN_MODULE: "The module cannot be loaded. Check vault.module, the path of the token's PKCS #11 library.",
  TOKEN_PIN_FILE: "The file of the token's PIN cannot be used. It has to be there, mode 600, and of this user.",
  TOKEN_PIN_REFUSED: 'The token refused this PIN, and it is not tried again. Put the right one into vault.pinFile.',
  PASSPHRASE_FILE: 'The file of the passphrase cannot be used. It takes 12 bytes or more, mode 600, and this user.',
  BDK_ID: 'Give 8 hexadecimal digits that no slot has or had, and that the key block says too: --bdk-id',
  ACQUIRER_NAME: 'A name has lower-case letters, digits, dots, hyphens and underscores, 64 at most: --acquirer',
  ZONE_KEK_MISSING: 'The acquirer has no key-encryption key yet. Enter it first: tapgate vault zone',
  ZONE_KEY_EXISTS: 'The acquirer has such keys already. To have them drain and new ones take their place: --replace',
  TR34_KEY_EXISTS: 'There is a key of this role already. To have a new one take its place: --replace',
  TR34_KEY_MISSING: 'No key of this role waits for its certificate. Make one: tapgate vault tr34 request',
  TR34_OTHER_KEY: 'The certificate is of another key. Name the one that was issued for the last request: --certificate',
  CERTIFICATES_INCOMPLETE: 'Put the missing file back from its copy, or move the folder away and have all made anew.',
  CERTIFICATE_EXISTS: 'There is one of this name, and it is not overwritten. Move it away first.',
  CERTIFICATE_DIFFERS: 'It is not of this authority, key or name. Put the right one back, or move it away.',
  AUTHORITY_MISSING: "The authority's key is not here. Issue the certificate where it is kept.",
  NAME_INVALID: 'Check the names and days in the configuration, or on the command line.',
  FILE_MISSING: 'It is not there. Check the path.',
  FILE_NOT_REGULAR: 'It is no plain file. Check the path.',
  FILE_TOO_LARGE: 'It is too large for what it should be. Check the path.',
  FILE_OPEN_TO_OTHERS: 'Others have rights on it: chmod 600',
  FILE_IO: 'The file system refused. Look at the space, the mount and the rights of the folder.',
  PEM_TOO_LARGE: 'It is too large for a certificate in PEM. Name the one certificate.',
  PEM_MALFORMED: 'It is no PEM: the text between BEGIN and END is not base64. Write it anew, in PEM.',
  PEM_EMPTY: 'It has no CERTIFICATE in PEM. For DER: openssl x509 -inform der -in FILE -out FILE.pem',
  STATUS_LIST_TOO_LARGE: STATUS_LIST,
  STATUS_LIST_NOT_JSON: STATUS_LIST,
  STATUS_LIST_NO_ENTRIES: STATUS_LIST,
  STATUS_LIST_SERIAL_INVALID: STATUS_LIST,
  STATUS_LIST_STATUS_INVALID: STATUS_LIST,
};

const FAMILIES: readonly (readonly [string, string])[] = [
  ['TR34_', "It is not as X9 TR-34 has it, or not from whom it should be. Have its sender's side make it anew."],
  ['DER_', 'It is no certificate. Name a file of one, in PEM.'],
];

function wordsFor(fault: string): string {
  if (Object.hasOwn(WORDS, fault)) return WORDS[fault as Fault];
  if (isReason(fault)) return `${meaningOf(fault).meaning} ${meaningOf(fault).action}`;
  return FAMILIES.find(([family]) => fault.startsWith(family))?.[1] ?? '';
}

/** A fault for whoever can end it: its code with what is known of it, what is wrong, what to do. */
export function faultText({ reason, detail }: { readonly reason: string; readonly detail?: string }): string {
  const words = wordsFor(reason);
  const code = detail === undefined ? reason : `${reason} (${detail})`;
  return words === '' ? code : `${code}: ${words}`;
}

const FILE_SYSTEM: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist. Check the path, and that its folder is there.',
  ENOTDIR: 'lies below something that is no folder. Check the path.',
  EISDIR: 'is a folder. Name a file.',
  EACCES: 'is closed to this user. Run the command as its owner, or change who may use it.',
  EPERM: 'is closed to this user. Run the command as its owner, or change who may use it.',
  EEXIST: 'is there already, and is not written over. Name another file, or move it away.',
  ENAMETOOLONG: 'is too long a name. Check the path.',
  ELOOP: 'is a link that leads to itself. Check the path.',
  EROFS: 'is on a file system that is read only. Name a file elsewhere.',
  ENOSPC: 'cannot be written: the file system is full. Make room, and run the command again.',
};

/**
 * What the file system has against a file, and what to do; null where the error is another. The errors of reading do not
 * name the file that was opened: `file` does then.
 */
export function fileFaultText(error: unknown, file?: string): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  const path = 'path' in error ? error.path : file;
  const { code } = error;
  if (typeof code !== 'string' || typeof path !== 'string' || !Object.hasOwn(FILE_SYSTEM, code)) return null;
  return `${path} ${FILE_SYSTEM[code]}`;
}
