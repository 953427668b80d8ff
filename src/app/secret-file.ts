import { open } from 'node:fs/promises';
import { ConfigError } from './config.ts';
import { fileFaultText } from './fault-text.ts';

/** Bits of a mode that let anybody but the owner write, or anybody but owner and group read. */
const OTHERS = 0o037;
const MAXIMUM_BYTES = 16_384;

/**
 * The text of a secret's file: of mode 0600, or 0440 as orchestrators mount secrets for a group.
 *
 * Throws ConfigError, which never repeats what is in it.
 */
export async function readSecret(file: string): Promise<string> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw new ConfigError(fileFaultText(error, file) ?? `${file} cannot be opened. Check the path.`);
  });
  try {
    // Of the open file: a path could be another file by the time that it is read.
    const { mode, size } = await handle.stat();
    if ((mode & OTHERS) !== 0) throw new ConfigError(`${file} is open to others: chmod 600 ${file}`);
    if (size > MAXIMUM_BYTES)
      throw new ConfigError(`${file} is over ${MAXIMUM_BYTES} bytes, too large for a secret. Check the path.`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}
