import { readFile, writeFile } from 'node:fs/promises';
import { ConfigError } from '../app/config.ts';
import { DataFolder } from '../app/data-folder.ts';
import type { Clock } from '../ports/clock.ts';
import { type GeneratedKey, VirtualKeyMint } from '../virtual/keymint/keymint.ts';
import { loadKeyMint, storeKeyMint } from '../virtual/keymint/stored.ts';
import { makePhoneOfKind } from '../virtual/kinds/kinds.ts';
import { openVirtualOrigin } from './virtual-root.ts';

const MAXIMUM_PHONE = 65_536;
const MAXIMUM_CHALLENGE = 128;
const DEFAULT_KIND = 'tee';
const LEAST_RSA_BITS = 3072;

/** Kind of key by what it may do. */
export const KEY_ALGORITHMS = { sign: 'EC', agree: 'EC', decrypt: 'RSA', wrap: 'RSA' } as const;

/** What `tapgate phone key` is asked for. */
export interface KeyOptions {
  readonly data: string;
  readonly challenge: string;
  readonly purpose: keyof typeof KEY_ALGORITHMS;
  /** Size of an RSA key. */
  readonly bits?: string;
  /** Kind of phone; where `phone` names a file that is there, the kind that the file states. */
  readonly profile?: string;
  /** File of one phone: its keys come from the same KeyMint as those before. */
  readonly phone?: string;
}

interface KeptPhone {
  readonly kind: string;
  readonly keymint: VirtualKeyMint;
}

/**
 * An attested key of a virtual phone, P-256 or RSA by its purpose, its private key in the open: for trying the protocol out in any language.
 *
 * Throws ConfigError for options that do not fit, and where the folder has no factory of virtual phones.
 */
export async function generateVirtualKey(options: KeyOptions, clock: Clock): Promise<GeneratedKey> {
  const challenge = challengeOf(options.challenge);
  const { keymint, kind } = await phoneOf(options, clock);
  try {
    const algorithm = KEY_ALGORITHMS[options.purpose];
    const size = algorithm === 'RSA' ? { bits: Number(options.bits ?? LEAST_RSA_BITS) } : {};
    return keymint.generateKey({ purpose: options.purpose, algorithm, challenge, ...size });
  } catch (error) {
    if (error instanceof RangeError) throw new ConfigError(`A phone of kind ${kind}: ${error.message}`);
    throw error;
  }
}

function challengeOf(text: string): Buffer {
  const challenge = Buffer.from(text, 'hex');
  const isHex = challenge.length > 0 && challenge.toString('hex') === text.toLowerCase();
  if (isHex && challenge.length <= MAXIMUM_CHALLENGE) return challenge;
  throw new ConfigError('--challenge: 1 to 128 bytes in hexadecimal digits');
}

async function phoneOf({ data, profile, phone }: KeyOptions, clock: Clock): Promise<KeptPhone> {
  if (phone === undefined) return makePhone(data, profile, clock);
  const kept = await keptPhone(phone, clock);
  if (kept === null) {
    const made = await makePhone(data, profile, clock);
    const stored = { kind: made.kind, ...storeKeyMint(made.keymint) };
    await writeFile(phone, `${JSON.stringify(stored)}\n`, { mode: 0o600, flag: 'wx' });
    return made;
  }
  if (profile !== undefined && profile !== kept.kind) {
    throw new ConfigError(`--profile ${profile}: ${phone} is a phone of kind ${kept.kind}`);
  }
  return kept;
}

async function makePhone(data: string, kind = DEFAULT_KIND, clock: Clock): Promise<KeptPhone> {
  const { factory } = await openVirtualOrigin(new DataFolder(data));
  const made = makePhoneOfKind(kind, factory, clock);
  if (made === null) throw new ConfigError(`--profile ${kind}: no such kind of phone`);
  // The others forge their chains anew for each key; no file could keep one of them.
  if (!(made.keymint instanceof VirtualKeyMint)) throw new ConfigError(`--profile ${kind}: has no KeyMint of its own`);
  return { kind, keymint: made.keymint };
}

async function keptPhone(file: string, clock: Clock): Promise<KeptPhone | null> {
  const text = await readIfThere(file);
  if (text === null) return null;
  const { kind, ...stored } = parsePhone(text.length > MAXIMUM_PHONE ? '' : text);
  const keymint = loadKeyMint(stored, clock);
  if (typeof kind === 'string' && keymint.ok) return { kind, keymint: keymint.value };
  throw new ConfigError(`${file} is no file of a virtual phone. Name another, or remove it.`);
}

function parsePhone(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  } catch {
    // What is no JSON is no phone either: told by the caller.
    return {};
  }
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
