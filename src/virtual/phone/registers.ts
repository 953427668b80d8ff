import { createCipheriv, createDecipheriv } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { canonicalBytes } from '../../encoding/canonical.ts';
import { DukptRegisters } from '../../payment-crypto/aes-dukpt/registers.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';

/** The registers of one injection, a domain each. */
export interface PhoneKeys {
  readonly pin: DukptRegisters;
  readonly accountData: DukptRegisters;
}

/** Keys whose proof the phone has made, and of which it does not know yet whether the service took it. */
export interface PendingKeys extends PhoneKeys {
  readonly injectionId: string;
  /** CMAC over the offer, 16 bytes each. */
  readonly pinProof: Buffer;
  readonly accountDataProof: Buffer;
}

/** All keys of the phone. */
export interface PhoneRegisters {
  /** What the service said was active. */
  readonly keys: PhoneKeys | null;
  readonly pending: PendingKeys | null;
}

/** Where enciphered registers lie; what was replaced before the promise ends is durable. */
export interface RegisterPlace {
  read(): Promise<Buffer | null>;
  replace(sealed: Buffer): Promise<void>;
}

/** The registers that are kept do not open or do not parse: another key store, or damage. */
export class RegistersDamaged extends Error {
  constructor() {
    super('the kept registers do not open');
    this.name = 'RegistersDamaged';
  }
}

const CONTEXT = 'tapgate/virtual-phone/registers';
const FIELDS = 7;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const MOST_BYTES = 16_384;
const NOTHING = Buffer.alloc(0);

/**
 * Registers under an AES-256-GCM key of the phone's key store. One document holds the active keys and the pending ones,
 * so that a cut leaves either all of the old or all of the new.
 */
export class SealedRegisters {
  readonly #key: SecretKey;
  readonly #random: Random;
  readonly #place: RegisterPlace;
  #last: Promise<void> = Promise.resolve();

  constructor(key: SecretKey, random: Random, place: RegisterPlace) {
    this.#key = key;
    this.#random = random;
    this.#place = place;
  }

  /**
   * Keeps the registers as they are at the call. They are advanced before it, and used only after it has ended; writes
   * are made in the order of the calls, so that no older state can be the last.
   */
  keep(registers: PhoneRegisters): Promise<void> {
    const sealed = this.#seal(registers);
    const write = this.#last.then(() => this.#place.replace(sealed));
    this.#last = write.catch(() => {});
    return write;
  }

  /** What was kept last. Throws RegistersDamaged. */
  async load(): Promise<PhoneRegisters> {
    await this.#last;
    const sealed = await this.#place.read();
    return sealed === null ? { keys: null, pending: null } : this.#open(sealed);
  }

  #seal({ keys, pending }: PhoneRegisters): Buffer {
    const states = [keys?.pin, keys?.accountData, pending?.pin, pending?.accountData].map(stateOf);
    const [pin = NOTHING, accountData = NOTHING, pendingPin = NOTHING, pendingAccountData = NOTHING] = states;
    const clear = canonicalBytes(
      CONTEXT,
      pin,
      accountData,
      pending?.injectionId ?? '',
      pendingPin,
      pendingAccountData,
      pending?.pinProof ?? NOTHING,
      pending?.accountDataProof ?? NOTHING,
    );
    for (const state of states) state.fill(0);
    const iv = this.#random.bytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key.keyObject, iv);
    const sealed = Buffer.concat([iv, cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
    clear.fill(0);
    return sealed;
  }

  #open(sealed: Buffer): PhoneRegisters {
    const clear = this.#decipher(sealed);
    try {
      const [pin, accountData, id, pendingPin, pendingAccountData, pinProof, accountDataProof] = fieldsOf(clear);
      const keys = keysOf(pin, accountData);
      const waiting = keysOf(pendingPin, pendingAccountData);
      const pending =
        waiting === null || id === undefined || pinProof === undefined || accountDataProof === undefined
          ? null
          : { ...waiting, injectionId: id.toString(), pinProof, accountDataProof };
      return { keys, pending };
    } finally {
      clear.fill(0);
    }
  }

  #decipher(sealed: Buffer): Buffer {
    if (sealed.length <= IV_BYTES + TAG_BYTES || sealed.length > MOST_BYTES) throw new RegistersDamaged();
    const decipher = createDecipheriv('aes-256-gcm', this.#key.keyObject, sealed.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const clear = decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES));
    try {
      decipher.final();
    } catch {
      clear.fill(0);
      throw new RegistersDamaged();
    }
    return clear;
  }
}

/** A copy of a domain's registers, which the caller wipes; empty where there are none. */
function stateOf(registers: DukptRegisters | undefined): Buffer {
  const state = registers?.serialize();
  const copy = state?.use((bytes) => Buffer.from(bytes)) ?? NOTHING;
  state?.wipe();
  return copy;
}

/** The fields of the document, copied, without its context. */
function fieldsOf(clear: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let at = 0; at < clear.length; ) {
    if (at + 4 > clear.length) throw new RegistersDamaged();
    const end = at + 4 + clear.readUInt32BE(at);
    if (end > clear.length) throw new RegistersDamaged();
    fields.push(Buffer.from(clear.subarray(at + 4, end)));
    at = end;
  }
  const context = fields.shift();
  if (context?.toString() !== CONTEXT || fields.length !== FIELDS) throw new RegistersDamaged();
  return fields;
}

/** Registers of both domains; null where neither is there. */
function keysOf(pinState: Buffer | undefined, accountDataState: Buffer | undefined): PhoneKeys | null {
  if (pinState?.length === 0 && accountDataState?.length === 0) return null;
  const pin = DukptRegisters.parse(pinState ?? NOTHING);
  const accountData = DukptRegisters.parse(accountDataState ?? NOTHING);
  pinState?.fill(0);
  accountDataState?.fill(0);
  if (!pin.ok || !accountData.ok) throw new RegistersDamaged();
  return { pin: pin.value, accountData: accountData.value };
}

/** A place that outlives the app's process in these tests, not this one. */
export function placeInMemory(): RegisterPlace {
  let kept: Buffer | null = null;
  return {
    read: async () => kept,
    replace: async (sealed) => {
      kept = sealed;
    },
  };
}

/** A file, replaced as a whole: after a cut it has its old content or its new one. */
export function placeInFile(path: string): RegisterPlace {
  return {
    read: async () => {
      try {
        return await readFile(path);
      } catch (error) {
        if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return null;
        throw error;
      }
    },
    replace: async (sealed) => {
      const fresh = `${path}.new`;
      const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
      const file = await open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
      try {
        await file.writeFile(sealed);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(fresh, path);
      await syncFolder(dirname(path));
    },
  };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
