import { z } from 'zod';
import type { KeystoreSource } from '../vault/keystore-source.ts';
import { MOST_PIN_LENGTHS, parsePinLengths } from '../vault/pin-lengths.ts';

/** Names that a PKCS #11 module may take its settings from; none of Node's or the loader's own. */
const VARIABLE = /^(?!NODE_|LD_|DYLD_|UV_|SSL_|OPENSSL_|GCONV_)[A-Za-z_][A-Za-z0-9_]{0,63}$/;

const file = z.string().min(1).max(4096);

const reach = {
  socket: file
    .optional()
    .describe('Unix socket of a vault that `tapgate vault serve` runs; else the vault is a child of the service'),
  socketAccess: z
    .enum(['owner', 'group'])
    .default('owner')
    .describe('`group`: members of the group of the socket folder may connect; the folder is made beforehand'),
  pinLengths: z
    .array(z.string().refine((text) => parsePinLengths(text) !== null, 'two lengths of 4 to 12, as 4-12'))
    .min(1)
    .max(MOST_PIN_LENGTHS)
    .optional()
    .describe(
      'Bounds of PIN lengths that the vault lets policies state; 4-12 by default. With one pair nobody learns a length',
    ),
};

/** Which vault keeps the keys, and how the service reaches it. */
export const vaultConfigSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('software'),
    ...reach,
    passphraseFile: file
      .optional()
      .describe('The master key comes from this passphrase; else from a file beside the keys'),
  }),
  z.strictObject({
    kind: z.literal('pkcs11'),
    ...reach,
    module: file.describe('PKCS #11 module of the token, a shared library'),
    tokenLabel: z.string().min(1).max(32),
    pinFile: file.describe("The token user's PIN, mode 0600"),
    environment: z
      .record(z.string().regex(VARIABLE), z.string().max(4096))
      .default({})
      .describe('Variables that the module takes'),
  }),
]);

/** A checked configuration of the vault. Paths are absolute. */
export type VaultConfig = z.infer<typeof vaultConfigSchema>;

/** The configuration with its paths made absolute. */
export function withAbsoluteVaultFiles(config: VaultConfig, absolute: (path: string) => string): VaultConfig {
  const socket = config.socket === undefined ? {} : { socket: absolute(config.socket) };
  if (config.kind === 'pkcs11')
    return { ...config, ...socket, module: absolute(config.module), pinFile: absolute(config.pinFile) };
  const { passphraseFile } = config;
  return { ...config, ...socket, ...(passphraseFile !== undefined && { passphraseFile: absolute(passphraseFile) }) };
}

/** Where the keys of a configured vault come from. */
export function sourceOf(config: VaultConfig): KeystoreSource {
  if (config.kind === 'software') return { kind: 'software', passphraseFile: config.passphraseFile };
  const { module, tokenLabel, pinFile } = config;
  return { kind: 'pkcs11', module, tokenLabel, pinFile };
}

/** Variables of a configured vault's module. */
export function environmentOf(config: VaultConfig): Readonly<Record<string, string>> {
  return config.kind === 'pkcs11' ? config.environment : {};
}
