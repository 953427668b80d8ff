import { scryptSync } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalBytes } from '../../encoding/canonical.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { KeystoreFault } from './fault.ts';
import { readPrivateFile, writeNewFile } from './folder.ts';
import type { KeyToken } from './key-token.ts';
import { shown } from './slot.ts';

const MASTER_KEY_FILE = 'master.key';
const MASTER_RECORD_FILE = 'master.json';
const MASTER_KEY_BYTES = 32;
const MAX_RECORD_BYTES = 4096;
const SALT_BYTES = 32;
/** scrypt (RFC 7914): 128 MiB, and about half a second of one core. */
const SCRYPT = { cost: 2 ** 17, blockSize: 8, parallelization: 1 } as const;
const SCRYPT_MEMORY = 512 * 1024 * 1024;

/**
 * Which master key of a keystore: the one that it has, or the one that a change has made and not put in its place yet.
 * The KEK's own key block says which of them counts.
 */
export type MasterKeyPlace = 'current' | 'next';

/** How a keystore's master key (AES-256) is had. The caller wipes what it is given. */
export interface MasterKey {
  /** Name of the file that it takes to have it. */
  readonly file: string;
  /** Makes a new one, and writes what it takes to have it again. Throws errors of the file system and TokenError. */
  make(directory: string, random: Random, place?: MasterKeyPlace): SecretKey;
  /** Refuses with a {@link KeystoreFault}. Throws TokenError. */
  open(directory: string, place?: MasterKeyPlace): Result<SecretKey, KeystoreFault>;
  /** Takes what was made outside of the folder away again: of a key that did not come about. Throws TokenError. */
  forget(directory: string, place: MasterKeyPlace): void;
  /** Takes away what the key that was in this one's place has left outside of the folder. Throws TokenError. */
  sweep(directory: string): void;
}

/** Every file that a master key may be had by. */
export const MASTER_KEY_FILES = [MASTER_KEY_FILE, MASTER_RECORD_FILE] as const;

/** Name of a master key's file in its place. */
export function masterKeyFile(file: string, place: MasterKeyPlace): string {
  return place === 'current' ? file : `${file}.next`;
}

const ROOT_ID = /^root-[0-9a-f]{16}$/;

const common = {
  version: z.literal(1),
  salt: z.base64url().length(43),
  kcv: z.string().regex(/^[0-9A-F]{10}$/),
};

const recordSchema = z.discriminatedUnion('from', [
  z.strictObject({
    ...common,
    from: z.literal('passphrase'),
    cost: z
      .int()
      .min(SCRYPT.cost)
      .max(2 ** 18),
    blockSize: z.literal(SCRYPT.blockSize),
    parallelization: z.literal(SCRYPT.parallelization),
  }),
  z.strictObject({
    ...common,
    from: z.literal('token'),
    serial: z.string().max(16),
    root: z.string().regex(ROOT_ID),
    /** The root key that was in its place, until it is destroyed. */
    replaced: z.string().regex(ROOT_ID).optional(),
  }),
]);

type MasterRecord = z.infer<typeof recordSchema>;

/** What a keystore says of the way to its master key. Refuses with KEYSTORE_MISSING where that lies in a file. */
function readRecord(directory: string, place: MasterKeyPlace = 'current'): Result<MasterRecord, KeystoreFault> {
  const name = masterKeyFile(MASTER_RECORD_FILE, place);
  const bytes = readPrivateFile(directory, name, MAX_RECORD_BYTES);
  if (!bytes.ok) return bytes;
  try {
    const record = recordSchema.safeParse(JSON.parse(bytes.value.toString('utf8')));
    if (record.success) return ok(record.data);
  } catch {
    // Not JSON: refused as another form.
  }
  return refuse('KEYSTORE_CORRUPT', `${name}: not of the form of version 1`);
}

/** Serial number of the token that a keystore was made on; null of any other keystore, and of one that is not there. */
export function tokenSerialOf(directory: string): string | null {
  const record = readRecord(directory);
  return record.ok && record.value.from === 'token' ? record.value.serial : null;
}

function writeRecord(directory: string, record: MasterRecord, place: MasterKeyPlace): void {
  writeNewFile(
    join(directory, masterKeyFile(MASTER_RECORD_FILE, place)),
    Buffer.from(`${JSON.stringify(record, null, 2)}\n`),
  );
}

function agrees(key: SecretKey, { kcv }: MasterRecord): boolean {
  return equalBytes(keyCheckValue(key), Buffer.from(kcv, 'hex'));
}

/** The master key as it is, in a file beside the slots. */
export const masterKeyInFile: MasterKey = {
  file: MASTER_KEY_FILE,
  make(directory, random, place = 'current') {
    const key = SecretKey.generate('AES', MASTER_KEY_BYTES * 8, random);
    key.use((bytes) => writeNewFile(join(directory, masterKeyFile(MASTER_KEY_FILE, place)), bytes));
    return key;
  },
  open(directory, place = 'current') {
    const name = masterKeyFile(MASTER_KEY_FILE, place);
    const bytes = readPrivateFile(directory, name, MASTER_KEY_BYTES);
    if (!bytes.ok) return bytes;
    if (bytes.value.length === MASTER_KEY_BYTES) return ok(SecretKey.ofOwned('AES', bytes.value));
    bytes.value.fill(0);
    return refuse('KEYSTORE_CORRUPT', `${name}: not ${MASTER_KEY_BYTES} bytes`);
  },
  forget: () => undefined,
  sweep: () => undefined,
};

/** A master key that is derived from a passphrase (scrypt, RFC 7914) and is written nowhere. */
export class MasterKeyOfPassphrase implements MasterKey {
  readonly file = MASTER_RECORD_FILE;
  readonly #passphrase: SecretBytes;
  #derived: { readonly salt: string; readonly key: SecretKey } | null = null;

  /** The passphrase is kept: it is derived from once, and again where the keystore is another one. */
  constructor(passphrase: SecretBytes) {
    this.#passphrase = passphrase;
  }

  make(directory: string, random: Random, place: MasterKeyPlace = 'current'): SecretKey {
    const salt = random.bytes(SALT_BYTES).toString('base64url');
    const key = this.#derive(salt, SCRYPT.cost);
    const record = { version: 1, from: 'passphrase', salt, ...SCRYPT, kcv: shown(keyCheckValue(key)) } as const;
    writeRecord(directory, record, place);
    return key;
  }

  forget(): void {
    // Nothing is outside of the folder.
  }

  sweep(): void {
    // Nothing is outside of the folder.
  }

  open(directory: string, place: MasterKeyPlace = 'current'): Result<SecretKey, KeystoreFault> {
    const record = readRecord(directory, place);
    if (!record.ok) return record;
    if (record.value.from !== 'passphrase') return refuse('KEYSTORE_CORRUPT', 'the master key is of no passphrase');
    const key = this.#derive(record.value.salt, record.value.cost);
    if (agrees(key, record.value)) return ok(key);
    key.wipe();
    return refuse('KEYSTORE_PASSPHRASE');
  }

  #derive(salt: string, cost: number): SecretKey {
    const known = `${salt} ${cost}`;
    if (this.#derived?.salt !== known) {
      this.#derived?.key.wipe();
      const options = { ...SCRYPT, cost, maxmem: SCRYPT_MEMORY };
      const derived = this.#passphrase.use((bytes) =>
        scryptSync(bytes, Buffer.from(salt, 'base64url'), MASTER_KEY_BYTES, options),
      );
      this.#derived = { salt: known, key: SecretKey.ofOwned('AES', derived) };
    }
    const copy = this.#derived.key.use((bytes) => SecretKey.parse('AES', bytes));
    if (!copy.ok) throw new TypeError(copy.reason);
    return copy.value;
  }
}

/** A master key that a token derives from a root key which never leaves it. */
export class MasterKeyOfToken implements MasterKey {
  readonly file = MASTER_RECORD_FILE;
  readonly #token: KeyToken;

  constructor(token: KeyToken) {
    this.#token = token;
  }

  make(directory: string, random: Random, place: MasterKeyPlace = 'current'): SecretKey {
    const { serial } = this.#token;
    const root = `root-${random.bytes(8).toString('hex')}`;
    const salt = random.bytes(SALT_BYTES).toString('base64url');
    const before = place === 'next' ? this.#recordIn(directory, 'current') : null;
    this.#token.makeRoot(root);
    try {
      const key = this.#derive(root, salt);
      const record = { version: 1, from: 'token', serial, root, salt, kcv: shown(keyCheckValue(key)) } as const;
      writeRecord(directory, { ...record, ...(before !== null && { replaced: before.root }) }, place);
      return key;
    } catch (error) {
      this.#token.destroy(root);
      throw error;
    }
  }

  forget(directory: string, place: MasterKeyPlace): void {
    const record = this.#recordIn(directory, place);
    if (record !== null) this.#token.destroy(record.root);
  }

  sweep(directory: string): void {
    const { replaced } = this.#recordIn(directory, 'current') ?? {};
    if (replaced !== undefined) this.#token.destroy(replaced);
  }

  #recordIn(directory: string, place: MasterKeyPlace) {
    const record = readRecord(directory, place);
    return record.ok && record.value.from === 'token' ? record.value : null;
  }

  open(directory: string, place: MasterKeyPlace = 'current'): Result<SecretKey, KeystoreFault> {
    const record = readRecord(directory, place);
    if (!record.ok) return record;
    if (record.value.from !== 'token') return refuse('KEYSTORE_CORRUPT', 'the master key is of no token');
    const key = this.#derive(record.value.root, record.value.salt);
    if (agrees(key, record.value)) return ok(key);
    key.wipe();
    return refuse('KEYSTORE_CORRUPT', `${MASTER_RECORD_FILE}: of another token`);
  }

  #derive(root: string, salt: string): SecretKey {
    const input = canonicalBytes('tapgate/v1/keystore-master-key', Buffer.from(salt, 'base64url'));
    return SecretKey.ofOwned('AES', this.#token.deriveFromRoot(root, input));
  }
}
