import type { KeystoreSource } from './keystore-source.ts';

/** Options of the vault's programs that name the source of its keys, as `parseArgs` takes them. */
export const SOURCE_OPTIONS = {
  'passphrase-file': { type: 'string' },
  module: { type: 'string' },
  'token-label': { type: 'string' },
  'pin-file': { type: 'string' },
} as const;

type SourceValues = { readonly [Name in keyof typeof SOURCE_OPTIONS]?: string | undefined };

/** The source that options name; null where they name half of one, or two. */
export function sourceOfArguments(values: SourceValues): KeystoreSource | null {
  const { 'passphrase-file': passphraseFile, module, 'token-label': tokenLabel, 'pin-file': pinFile } = values;
  if (module === undefined && tokenLabel === undefined && pinFile === undefined)
    return { kind: 'software', passphraseFile };
  if (module === undefined || tokenLabel === undefined || pinFile === undefined) return null;
  return passphraseFile === undefined ? { kind: 'pkcs11', module, tokenLabel, pinFile } : null;
}

/** A source as options of the vault's programs. */
export function sourceArguments(source: KeystoreSource): string[] {
  if (source.kind === 'pkcs11') {
    const { module, tokenLabel, pinFile } = source;
    return ['--module', module, '--token-label', tokenLabel, '--pin-file', pinFile];
  }
  return source.passphraseFile === undefined ? [] : ['--passphrase-file', source.passphraseFile];
}
