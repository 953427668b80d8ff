import { ConfigError, readText } from '../../app/config.ts';
import { bytesOfHex } from '../../payment-crypto/hex.ts';
import { type KeyAlgorithm, SecretKey } from '../../payment-crypto/secret-key.ts';

/** Keys that standards print: everybody has them, and nothing is lost by typing one. */
const PRINTED_KEYS: ReadonlySet<string> = new Set([
  // ANSI X9.24-3:2017 supplement
  'FEDCBA9876543210F1F1F1F1F1F1F1F1',
  // ANSI X9.24-1:2009 A.4: BDK, initial key
  '0123456789ABCDEFFEDCBA9876543210',
  '6AC292FAA1315B4D858AB3A3D7D5933A',
  // NIST SP 800-38B appendix D
  '2B7E151628AED2A6ABF7158809CF4F3C',
  // ANSI X9.143:2021 8
  '88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6',
]);

const MOST_INPUT = 4096;

/** How a key is given, for help texts. */
export const KEY_ARGUMENT = 'hexadecimal; @file; or - for standard input';

/** What every command of `tapgate tool` says first. */
export const TEST_KEYS_ONLY = `TEST KEYS ONLY: this tool holds keys in the clear and shows what a payment HSM never would. A key that was
given to it is no longer fit for anything but tests.`;

const BURNT = `WARNING: A KEY WAS TYPED ON A COMMAND LINE. It is in the shell's history, in the list of processes and in
whatever records either: it is burnt. If it protects anything, replace it now. Give test keys by @file or -.`;

function warn(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function readStandardInput(): Promise<string> {
  let text = '';
  for await (const part of process.stdin.setEncoding('utf8')) {
    text += part;
    if (text.length > MOST_INPUT) throw new ConfigError(`standard input is over ${MOST_INPUT} characters`);
  }
  return text;
}

/** The text of an argument: itself, a file's with `@`, or standard input's with `-`. */
export async function argumentText(argument: string): Promise<string> {
  if (argument === '-') return (await readStandardInput()).trim();
  return argument.startsWith('@') ? (await readText(argument.slice(1), 65_536)).trim() : argument.trim();
}

/**
 * Reads a test key. Says on standard error that such keys are for tests, and louder that one typed as an argument is
 * burnt, unless a standard prints it. Throws ConfigError, which never repeats the key.
 */
export async function readTestKey(argument: string, algorithm: KeyAlgorithm, name: string): Promise<SecretKey> {
  const text = (await argumentText(argument)).replace(/\s+/g, '').toUpperCase();
  const typed = argument !== '-' && !argument.startsWith('@');
  if (!PRINTED_KEYS.has(text)) warn(typed ? BURNT : TEST_KEYS_ONLY);
  const bytes = text.length > 0 ? bytesOfHex(text) : undefined;
  if (bytes === undefined) throw new ConfigError(`${name}: not hexadecimal text of whole bytes`);
  const key = SecretKey.parse(algorithm, bytes);
  bytes.fill(0);
  if (!key.ok) throw new ConfigError(`${name}: ${algorithm} has no key of ${text.length / 2} bytes`);
  return key.value;
}

/** Bytes of an option that is no secret. Throws ConfigError. */
export function hexOption(text: string, name: string): Buffer {
  const compact = text.replace(/\s+/g, '');
  const bytes = compact.length > 0 && compact.length <= MOST_INPUT ? bytesOfHex(compact) : undefined;
  if (bytes === undefined) throw new ConfigError(`${name}: not hexadecimal text of whole bytes`);
  return bytes;
}
