import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { bytesOfHex } from '../../payment-crypto/hex.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { accountDefect, TEST_ACCOUNTS, type VirtualAccount } from '../card/account.ts';
import { readPlainFile, readSecretFile } from './secret-file.ts';
import { loadZoneKeys, type ZoneKeys } from './zone-keys.ts';

const file = z.string().min(1).max(4_096);

/** Configuration of the reference processing, JSON. Files are relative to the configuration's own folder. */
const configSchema = z.strictObject({
  listen: z.strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    port: z.int().min(0).max(65_535).describe('0 takes a free one'),
    certificate: file,
    key: file,
  }),
  gate: z.strictObject({
    address: z.string().min(1).describe('host:port of the processing listener'),
    ca: file.describe('Authority of the processing listener'),
    certificate: file.describe("The acquirer's client certificate"),
    key: file,
    serverName: z
      .string()
      .min(1)
      .optional()
      .describe('Name in its certificate, where it is not the host of the address'),
    deadlineMilliseconds: z.int().min(100).max(60_000).default(5_000),
  }),
  receiptIssuer: z.string().min(1).describe('`iss` of receipts: the issuer in the configuration of the service'),
  zone: z.strictObject({
    file: file.describe('zone.json: acquirer, pinKeyBlock, dataKeyBlock'),
    components: z.array(file).min(2).max(9).describe('Components of the zone KEK; mode 0600'),
  }),
  ledger: file,
  issuer: z.strictObject({
    masterKey: file.describe('Issuer master key of the virtual cards: 32 hexadecimal digits; mode 0600'),
    accounts: file
      .optional()
      .describe("Accounts of the virtual cards, JSON; mode 0600. The schemes' test accounts where absent"),
  }),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

const accountsSchema = z
  .array(
    z.strictObject({
      scheme: z.enum(['visa', 'mastercard', 'mir']),
      pan: z.string(),
      expiry: z.string(),
      sequenceNumber: z.int(),
      pin: z.string(),
    }),
  )
  .max(10_000);

/** A checked configuration. Paths are absolute. */
export type ProcessingConfig = z.infer<typeof configSchema>;

/** What a configuration's files hold. */
export interface ProcessingKeys {
  readonly zone: ZoneKeys;
  readonly issuerMasterKey: SecretKey;
  readonly accounts: readonly VirtualAccount[];
}

/** A configuration or a file of it that cannot be used; the message says which and why, never what it holds. */
export class ProcessingConfigError extends Error {
  override readonly name = 'ProcessingConfigError';
}

function parsed<T>(schema: z.ZodType<T>, text: string, path: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // What the parser says would quote the file.
    throw new ProcessingConfigError(`${path}: not JSON`);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ProcessingConfigError(`${path}: ${issue?.path.join('.') ?? ''}: ${issue?.code ?? 'not as expected'}`);
}

/** Reads a configuration. Throws ProcessingConfigError. */
export function readProcessingConfig(path: string): ProcessingConfig {
  const text = readPlainFile(path);
  if (!text.ok) throw new ProcessingConfigError(`${path}: ${text.reason}`);
  const config = parsed(configSchema, text.value, path);
  const at = (name: string): string => resolve(dirname(path), name);
  const { listen, gate, zone, issuer } = config;
  return {
    ...config,
    listen: { ...listen, certificate: at(listen.certificate), key: at(listen.key) },
    gate: { ...gate, ca: at(gate.ca), certificate: at(gate.certificate), key: at(gate.key) },
    zone: { file: at(zone.file), components: zone.components.map(at) },
    ledger: at(config.ledger),
    issuer: {
      masterKey: at(issuer.masterKey),
      ...(issuer.accounts !== undefined && { accounts: at(issuer.accounts) }),
    },
  };
}

function secret(path: string): string {
  const text = readSecretFile(path);
  if (!text.ok) throw new ProcessingConfigError(`${path}: ${text.reason}`);
  return text.value;
}

function readMasterKey(path: string): SecretKey {
  const bytes = bytesOfHex(secret(path));
  const key = bytes?.length === 16 ? SecretKey.parse('AES', bytes) : undefined;
  bytes?.fill(0);
  if (!key?.ok) throw new ProcessingConfigError(`${path}: not an AES-128 key of 32 hexadecimal digits`);
  return key.value;
}

function readAccounts(path: string): readonly VirtualAccount[] {
  const accounts = parsed(accountsSchema, secret(path), path);
  for (const [index, account] of accounts.entries()) {
    const defect = accountDefect(account);
    if (defect !== null) throw new ProcessingConfigError(`${path}: ${index}.${defect}: not well formed`);
  }
  return accounts;
}

/** Reads the keys and accounts that a configuration names. Throws ProcessingConfigError. */
export function readProcessingKeys({ zone, issuer }: ProcessingConfig): ProcessingKeys {
  const zoneKeys = loadZoneKeys({ zone: zone.file, components: zone.components });
  if (!zoneKeys.ok) throw new ProcessingConfigError(`zone keys: ${zoneKeys.reason} ${zoneKeys.detail ?? ''}`.trim());
  return {
    zone: zoneKeys.value,
    issuerMasterKey: readMasterKey(issuer.masterKey),
    accounts: issuer.accounts === undefined ? Object.values(TEST_ACCOUNTS) : readAccounts(issuer.accounts),
  };
}

/** Reads a PEM file. Throws ProcessingConfigError. */
export function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    throw new ProcessingConfigError(`${path}: FILE_UNREADABLE`);
  }
}
