import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of the package that this file belongs to, compiled or not. */
export function packageVersion(): string {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** What tokens name as the software that appraised: name and version. */
export function buildName(): string {
  return `tapgate ${packageVersion()}`;
}
