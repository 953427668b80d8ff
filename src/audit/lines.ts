import { z } from 'zod';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { LogPart } from './reading.ts';
import type { AuditedContent } from './record.ts';

/** Names the form of an export. */
export const EXPORT_FORM = 'tapgate-audit-log/1';

/** Longest line of an export that is read. */
export const LONGEST_LINE = 1_048_576;

const bytes = z.base64().transform((text) => Buffer.from(text, 'base64'));
const digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((text) => Buffer.from(text, 'hex'));
const count = z
  .string()
  .regex(/^\d{1,19}$/)
  .transform(BigInt);
const instant = z.iso.datetime().transform((text) => new Date(text));
const name = z.string().max(512);

const record = z.record(z.string().max(128), z.union([z.string(), z.boolean(), z.null()]));
const contentSchema: z.ZodType<AuditedContent> = z.strictObject({
  kept: record,
  erasable: z.union([record, z.literal('erased'), z.null()]),
});

/** Reads the content of an entry; undefined for what is none. */
export function contentFrom(text: string): AuditedContent | undefined {
  try {
    return contentSchema.parse(JSON.parse(text));
  } catch {
    // Not JSON, or another form: the caller refuses it.
    return undefined;
  }
}

const head = z
  .strictObject({ writer: name, sequence: count, hash: digest, signed: count })
  .transform((value) => ({ ...value }));

const entry = z.strictObject({
  writer: name,
  sequence: count,
  source: name,
  subject: name,
  chainedAt: instant,
  keptHash: digest,
  erasableHash: digest.nullable(),
  hash: digest,
  content: contentSchema.nullable(),
});

const lineSchema = z.union([
  z.strictObject({
    form: z.literal(EXPORT_FORM),
    keys: z
      .array(
        z.strictObject({
          keyId: name,
          purpose: name,
          publicKey: bytes,
          firstSeen: instant,
          state: z.string().nullable(),
          endorsements: z
            .array(z.strictObject({ anchorId: name, signature: bytes }))
            .max(16)
            .optional(),
        }),
      )
      .max(10_000),
    entries: count,
    checkpoints: count,
  }),
  z.strictObject({ entry }),
  z.strictObject({ checkpoint: z.strictObject({ payload: bytes, signature: bytes, keyId: name }) }),
  z.strictObject({ rowWithoutEntry: z.strictObject({ source: name, subject: name }) }),
  z.strictObject({ end: z.strictObject({ heads: z.array(head), entries: count, checkpoints: count }) }),
]);

/** A part as lines of JSON, without line ends. */
export function linesOf(part: LogPart): readonly string[] {
  switch (part.kind) {
    case 'beginning':
      return [
        JSON.stringify({
          form: EXPORT_FORM,
          keys: part.keys.map(({ keyId, purpose, publicKey, firstSeen, state, endorsements = [] }) => ({
            keyId,
            purpose,
            publicKey: publicKey.toString('base64'),
            firstSeen: firstSeen.toISOString(),
            state,
            endorsements: endorsements.map(({ anchorId, signature }) => ({
              anchorId,
              signature: signature.toString('base64'),
            })),
          })),
          entries: part.entries.toString(),
          checkpoints: part.checkpoints.toString(),
        }),
      ];
    case 'entries':
      return part.entries.map(({ entry: logged, content }) =>
        JSON.stringify({
          entry: {
            writer: logged.writer,
            sequence: logged.sequence.toString(),
            source: logged.source,
            subject: logged.subject,
            chainedAt: logged.chainedAt.toISOString(),
            keptHash: logged.keptHash.toString('hex'),
            erasableHash: logged.erasableHash?.toString('hex') ?? null,
            hash: logged.hash.toString('hex'),
            content,
          },
        }),
      );
    case 'checkpoint': {
      const { payload, signature, keyId } = part.signed;
      const text = (value: Uint8Array): string => Buffer.from(value).toString('base64');
      return [JSON.stringify({ checkpoint: { payload: text(payload), signature: text(signature), keyId } })];
    }
    case 'rows-without-entry':
      return part.rows.map(({ source, subject }) => JSON.stringify({ rowWithoutEntry: { source, subject } }));
    case 'end':
      return [
        JSON.stringify({
          end: {
            heads: part.heads.map(({ writer, sequence, hash, signed }) => ({
              writer,
              sequence: sequence.toString(),
              hash: hash.toString('hex'),
              signed: signed.toString(),
            })),
            entries: part.entries.toString(),
            checkpoints: part.checkpoints.toString(),
          },
        }),
      ];
  }
}

/** Reads a line of an export. Refuses with MALFORMED_MESSAGE what is none. */
export function partOf(line: string): Result<LogPart, 'MALFORMED_MESSAGE'> {
  if (line.length > LONGEST_LINE) return refuse('MALFORMED_MESSAGE', 'a line is too long');
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return refuse('MALFORMED_MESSAGE', 'a line is not JSON');
  }
  const parsed = lineSchema.safeParse(json);
  if (!parsed.success) return refuse('MALFORMED_MESSAGE', 'a line is none of an export');
  const { data } = parsed;
  if ('form' in data) {
    const { keys, entries, checkpoints } = data;
    return ok({ kind: 'beginning', keys, entries, checkpoints });
  }
  if ('entry' in data) {
    const { content, ...logged } = data.entry;
    return ok({ kind: 'entries', entries: [{ entry: logged, content }] });
  }
  if ('checkpoint' in data) return ok({ kind: 'checkpoint', signed: data.checkpoint });
  if ('rowWithoutEntry' in data) return ok({ kind: 'rows-without-entry', rows: [data.rowWithoutEntry] });
  return ok({ kind: 'end', ...data.end });
}

/** A checkpoint as a witness keeps it: one line of an export. */
export function witnessLine(part: Extract<LogPart, { readonly kind: 'checkpoint' }>['signed']): string {
  return linesOf({ kind: 'checkpoint', signed: part })[0] ?? '';
}
