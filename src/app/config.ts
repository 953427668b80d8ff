import { readFile, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { PARTY_NAME } from '../devices/invite.ts';
import { auditConfigSchema } from './audit-config.ts';
import { databaseConfigSchema, withAbsoluteDatabaseFiles } from './database-config.ts';
import { fileFaultText } from './fault-text.ts';
import { playIntegrityConfigSchema, withAbsoluteKeyFiles } from './play-integrity-config.ts';
import { redisConfigSchema, withAbsoluteFiles } from './redis-config.ts';
import { tracingConfigSchema } from './tracing-config.ts';
import { vaultConfigSchema, withAbsoluteVaultFiles } from './vault-config.ts';

const address = (port: number) =>
  z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(port).describe('0 takes a free one'),
    })
    .prefault({});

const party = z.string().regex(PARTY_NAME, 'lower-case letters, digits, dots, hyphens and underscores, at most 64');

/** Configuration of `tapgate serve`: what this installation is. What is allowed is policy, in its own file. */
export const configSchema = z.strictObject({
  issuer: z.string().min(1).max(200).default('https://tapgate.localhost').describe('`iss` of tokens and receipts'),
  listeners: z
    .strictObject({
      device: address(7401),
      processing: address(7402),
      admin: address(7403),
      ops: address(7404),
    })
    .prefault({}),
  hosts: z.array(z.string().min(1)).max(16).default([]).describe('Further names in development certificates'),
  acquirers: z
    .array(party)
    .min(1)
    .max(64)
    .default(['acquirer'])
    .describe('Acquirers that get development certificates'),
  administrators: z
    .array(z.strictObject({ role: z.enum(['security', 'operator', 'auditor']), person: party }))
    .min(1)
    .default([{ role: 'security', person: 'admin' }]),
  policy: z.string().min(1).default('policy.yaml').describe('Policy file; relative to this file'),
  trustAnchors: z
    .array(z.strictObject({ name: z.string().min(1).max(64), file: z.string().min(1).describe('PEM certificate') }))
    .max(8)
    .default([])
    .describe("Attestation roots beside Google's; for virtual phones only, never in production"),
  revocation: z
    .strictObject({
      source: z.string().min(1).max(2048).describe('File or https URL of the status list'),
      deadlineMilliseconds: z.int().min(100).max(120_000).default(20_000),
    })
    .optional()
    .describe('List of revoked attestation certificates'),
  playIntegrity: z.array(playIntegrityConfigSchema).max(64).default([]).describe('An application each'),
  vault: vaultConfigSchema.prefault({ kind: 'software' }).describe('What keeps the keys; by default a software vault'),
  database: databaseConfigSchema
    .optional()
    .describe('PostgreSQL 15 or later, or CockroachDB; else the embedded PostgreSQL on the data folder'),
  redis: redisConfigSchema
    .optional()
    .describe('Redis 7 or later for what may be lost; else the memory of this process'),
  audit: auditConfigSchema.prefault({}).describe('How the audit log is kept'),
  tracing: tracingConfigSchema.optional().describe('OpenTelemetry; without it nothing is traced'),
  reappraisal: z
    .strictObject({
      pageSize: z.int().min(1).max(1000).default(100).describe('Devices that are done again after a cut'),
      devicesPerSecond: z.int().min(1).max(10_000).default(200),
      leaseSeconds: z.int().min(5).max(600).default(30).describe('A replica silent for so long has lost its run'),
    })
    .prefault({})
    .describe('How enrolled phones are appraised again when policy or the status list changes'),
  reflection: z.boolean().default(true).describe('gRPC server reflection'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  drainSeconds: z.int().min(1).max(300).default(10),
});

/** A checked configuration. Paths are absolute. */
export type Config = z.infer<typeof configSchema>;

/** A file that cannot be used; the message says where and what to do. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}

const OVERRIDE = /^TAPGATE_CONFIG_([A-Z]+(?:_[A-Z]+)*)$/;

/** Names by which the environment may override: `TAPGATE_CONFIG_LISTENERS_DEVICE_PORT=0`. */
function overrides(environment: Readonly<Record<string, string | undefined>>): [string[], string][] {
  return Object.entries(environment).flatMap(([name, value]): [string[], string][] => {
    const path = OVERRIDE.exec(name)?.[1];
    return path === undefined || value === undefined ? [] : [[path.toLowerCase().split('_'), value]];
  });
}

function override(target: Record<string, unknown>, path: readonly string[], text: string, name: string): void {
  const [head = '', ...rest] = path;
  const key = Object.keys(configSchema.shape).find((candidate) => candidate.toLowerCase() === head) ?? head;
  if (rest.length === 0) {
    target[key] = parseDocument(text).toJS() as unknown;
    return;
  }
  const below = target[key] ?? {};
  if (typeof below !== 'object' || Array.isArray(below))
    throw new ConfigError(`${name}: ${key} has no parts. Set it whole: TAPGATE_CONFIG_${key.toUpperCase()}`);
  target[key] = below;
  override(below as Record<string, unknown>, rest, text, name);
}

/** Parses YAML into plain values; ConfigError with file, line and column where it is none. */
export function parseYaml(text: string, file: string): unknown {
  const document = parseDocument(text, { prettyErrors: true, maxAliasCount: 0 } as Parameters<typeof parseDocument>[1]);
  const [error] = document.errors;
  if (error !== undefined) throw new ConfigError(`${file}: ${error.message}`);
  try {
    return document.toJS({ maxAliasCount: 0 }) as unknown;
  } catch (error) {
    // An alias: a few lines could stand for gigabytes.
    throw new ConfigError(`${file}: ${error instanceof Error ? error.message : 'it has aliases'}`);
  }
}

/** Says what of a document does not fit its schema, a line a field. */
export function schemaProblems(file: string, error: z.ZodError): ConfigError {
  const lines = error.issues.map((issue) => `  ${issue.path.join('.') || '(document)'}: ${issue.message}`);
  return new ConfigError(`${file} does not fit its schema:\n${lines.join('\n')}`);
}

/**
 * Reads a configuration file, or the defaults where `file` is null, with the environment's overrides.
 * Relative paths in it start at its own folder, or at `folder` where there is no file.
 */
export async function readConfig(
  file: string | null,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Config> {
  const source = file === null ? {} : (parseYaml(await readText(file), file) ?? {});
  if (typeof source !== 'object' || Array.isArray(source))
    throw new ConfigError(`${file}: not a mapping. Write names with values: issuer: https://…`);
  const values = { ...(source as Record<string, unknown>) };
  for (const [path, text] of overrides(environment))
    override(values, path, text, `TAPGATE_CONFIG_${path.join('_').toUpperCase()}`);
  const parsed = configSchema.safeParse(values);
  if (!parsed.success) throw schemaProblems(file ?? 'the configuration', parsed.error);
  const base = file === null ? folder : dirname(file);
  const absolute = (path: string): string => (isAbsolute(path) ? path : join(base, path));
  return {
    ...parsed.data,
    policy: absolute(parsed.data.policy),
    database: parsed.data.database && withAbsoluteDatabaseFiles(parsed.data.database, absolute),
    vault: withAbsoluteVaultFiles(parsed.data.vault, absolute),
    audit: {
      ...parsed.data.audit,
      ...(parsed.data.audit.witness !== undefined && { witness: absolute(parsed.data.audit.witness) }),
    },
    redis: parsed.data.redis && withAbsoluteFiles(parsed.data.redis, absolute),
    revocation: parsed.data.revocation && {
      ...parsed.data.revocation,
      source: isUrl(parsed.data.revocation.source)
        ? parsed.data.revocation.source
        : absolute(parsed.data.revocation.source),
    },
    playIntegrity: parsed.data.playIntegrity.map((application) => withAbsoluteKeyFiles(application, absolute)),
    trustAnchors: parsed.data.trustAnchors.map((anchor) => ({ ...anchor, file: absolute(anchor.file) })),
  };
}

function isUrl(location: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(location);
}

const MAXIMUM_TEXT = 1_048_576;

/** Reads a text file, by default of at most 1 MiB; ConfigError where it cannot be read, or is larger. */
export async function readText(file: string, maximumBytes: number = MAXIMUM_TEXT): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > maximumBytes)
      throw new ConfigError(`${file} is over ${maximumBytes} bytes, too large for what it should be. Check the path.`);
    return await readFile(file, 'utf8');
  } catch (error) {
    const fault = fileFaultText(error, file);
    if (fault === null) throw error;
    throw new ConfigError(fault);
  }
}
