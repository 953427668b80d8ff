import { readFile } from 'node:fs/promises';
import { ConfigError } from '../app/config.ts';
import { fileFaultText } from '../app/fault-text.ts';

const MAX_FILE = 1024 * 1024;
const PEM = /-----BEGIN [A-Z0-9 #]+-----([A-Za-z0-9+/=\s]+)-----END [A-Z0-9 #]+-----/;

/** Reads a file of DER, or of one PEM block, or hexadecimal text. Throws ConfigError for one that is none of these. */
export async function readDer(file: string): Promise<Buffer> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new ConfigError(fileFaultText(error, file) ?? `${file} cannot be read. Check the path.`);
  });
  if (bytes.length === 0 || bytes.length > MAX_FILE)
    throw new ConfigError(`${file} is empty, or over 1 MiB. Check the path.`);
  if (bytes[0] === 0x30 && bytes.some((byte) => byte > 0x7e)) return bytes;
  const text = bytes.toString('latin1').trim();
  const pem = PEM.exec(text)?.[1];
  if (pem !== undefined) return Buffer.from(pem.replaceAll(/\s+/g, ''), 'base64');
  if (/^(?:[0-9A-Fa-f]{2})+$/.test(text)) return Buffer.from(text, 'hex');
  throw new ConfigError(`${file} is neither DER nor PEM. Have it written as one of the two.`);
}
