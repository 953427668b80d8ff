import { canonicalBytes } from '../encoding/canonical.ts';
import { sha256 } from '../encoding/digest.ts';

/** A policy document with the version that every appraisal and decision names. */
export interface PolicyVersion<P> {
  readonly document: P;
  /** The first 16 hex digits of the SHA-256 of the document's canonical JSON: the same content, the same version. */
  readonly version: string;
}

/** JSON with the members of every object in the order of their names. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}

/** Names a document by its content. */
export function versionOf<P>(document: P): PolicyVersion<P> {
  return { document, version: versionOfJson(canonicalJson(document)) };
}

/** The version of a document by its canonical JSON. */
export function versionOfJson(json: string): string {
  return sha256(canonicalBytes('tapgate/v1/policy', json)).toString('hex').slice(0, 16);
}

/** True for the form of a version. */
export function isPolicyVersion(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}
