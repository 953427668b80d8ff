import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

/** An object of a JSON file. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** An object met in a JSON file: where it stands, and the plain fields that it inherits from the objects around it. */
export interface VectorObject {
  readonly path: string;
  readonly own: JsonObject;
  /** Text, numbers and booleans of the object itself and of those around it; the innermost wins. */
  readonly fields: JsonObject;
}

/** A file that holds JSON. */
export interface JsonFile {
  readonly name: string;
  readonly value: unknown;
}

const MOST_FILES = 10_000;
const MOST_FILE_BYTES = 16 * 1024 * 1024;
const MOST_DEPTH = 32;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text of a field, or undefined. */
export function text(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  return typeof value === 'string' ? value : undefined;
}

function looksLikeJson(path: string): boolean {
  const size = statSync(path).size;
  if (size < 2 || size > MOST_FILE_BYTES) return false;
  const start = Buffer.alloc(64);
  const file = openSync(path, 'r');
  try {
    readSync(file, start, 0, start.length, 0);
  } finally {
    closeSync(file);
  }
  return /^\s*[[{]/.test(start.toString('latin1'));
}

function parse(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Starts like JSON and is none: not a vector file.
    return undefined;
  }
}

/** Every file under a folder whose content is JSON, whatever its name, in order of names; files over 16 MiB are left out. */
export function jsonFiles(folder: string): JsonFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .slice(0, MOST_FILES)
    .filter(looksLikeJson)
    .map((path) => ({ name: relative(folder, path), value: parse(path) }))
    .filter((file) => file.value !== undefined);
}

function plainFields(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value)),
  );
}

/** Every object of a JSON value, outermost first. */
export function* objectsOf(value: unknown, path = '', inherited: JsonObject = {}, depth = 0): Generator<VectorObject> {
  if (depth > MOST_DEPTH) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* objectsOf(item, `${path}[${index}]`, inherited, depth + 1);
    return;
  }
  if (!isObject(value)) return;
  const fields = { ...inherited, ...plainFields(value) };
  yield { path, own: value, fields };
  for (const [name, member] of Object.entries(value)) {
    yield* objectsOf(member, path === '' ? name : `${path}.${name}`, fields, depth + 1);
  }
}
