import { Option } from 'commander';
import { ConfigError } from '../app/config.ts';
import { type TrustedAnchors, trustedAnchors } from '../encoding/published-key.ts';
import { readDer } from './der-file.ts';

/** `--anchor`: anchors of the vault that somebody has kept. */
export function anchorOption(): Option {
  return new Option(
    '--anchor <file>',
    "the vault's anchor, PEM or DER, kept where this service cannot write: every published key has to be endorsed by it; several times for several",
  ).argParser((file: string, before: readonly string[] = []) => [...before, file]);
}

/** The anchors of these files; null where none is named. Throws ConfigError for what is none. */
export async function anchorsOf(files: readonly string[] | undefined): Promise<TrustedAnchors | null> {
  if (files === undefined) return null;
  const anchors = trustedAnchors(await Promise.all(files.map(readDer)));
  if (anchors === null) throw new ConfigError(`${files.join(', ')}: an anchor is a public key on P-256`);
  return anchors;
}
