import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { classicTokenKeys, createClassicDecoder } from '../attestation/play-integrity/classic-token.ts';
import type { IntegrityDecoder } from '../attestation/play-integrity/decoder.ts';
import { type Config, ConfigError } from './config.ts';

const OTHERS = 0o077;

const keysSchema = z.strictObject({ decryptionKey: z.string().max(256), verificationKey: z.string().max(512) });

/** Reads one application's keys of the Play Console. Throws ConfigError that never repeats a key. */
async function readKeys(file: string): Promise<IntegrityDecoder> {
  const { mode } = await stat(file).catch(() => {
    throw new ConfigError(`${file} does not exist`);
  });
  if ((mode & OTHERS) !== 0) throw new ConfigError(`${file} is open to others: chmod 600 ${file}`);
  const parsed = keysSchema.safeParse(parseJson(await readFile(file, 'utf8')));
  if (!parsed.success) throw new ConfigError(`${file}: JSON with decryptionKey and verificationKey is expected`);
  const keys = classicTokenKeys(parsed.data);
  if (!keys.ok) throw new ConfigError(`${file}: ${keys.reason}`);
  return createClassicDecoder(keys.value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Told as a file that is not of its form.
    return null;
  }
}

/** The decoders of classic integrity tokens by package name. */
export async function openDecoders(config: Config['playIntegrity']): Promise<ReadonlyMap<string, IntegrityDecoder>> {
  const decoders = new Map<string, IntegrityDecoder>();
  for (const { package: name, classicKeys } of config) decoders.set(name, await readKeys(classicKeys));
  return decoders;
}
