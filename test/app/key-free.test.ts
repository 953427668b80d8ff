import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAM = join(import.meta.dirname, 'programs', 'module-graph.ts');
const run = promisify(execFile);

/** Files below src/ that a module brings into its process, by what the running program loads: types are none. */
async function loadedBy(file: string, ...words: string[]): Promise<string[]> {
  const given = ['--no-warnings', PROGRAM, join(ROOT, file), ...words];
  const folder = await mkdtemp(join(tmpdir(), 'tapgate-modules-'));
  const graph = join(folder, 'loaded.json');
  await run(process.execPath, given, { env: { ...process.env, MODULE_GRAPH_FILE: graph } });
  const urls: string[] = JSON.parse(await readFile(graph, 'utf8'));
  await rm(folder, { recursive: true });
  const source = new URL('src/', `file://${ROOT}/`).href;
  return urls.filter((url) => url.startsWith(source)).map((url) => url.slice(source.length));
}

/** What makes, opens or works with key bytes. */
const WITH_KEYS = /^(payment-crypto|vault\/(keystore|operations|pkcs11|derivation-ids))\//;

describe("the service's process", () => {
  test('loads nothing that makes keys, opens a keystore or works with key bytes', async () => {
    const loaded = await loadedBy('src/cli/tapgate.ts', 'serve', '--help');
    expect(loaded).toContain('app/serve.ts');
    expect(loaded).toContain('vault/keystore-maker.ts');
    expect(loaded.length).toBeGreaterThan(100);
    expect(loaded.filter((path) => WITH_KEYS.test(path))).toEqual([]);
  });

  test('leaves that to programs of the vault, of which the same question says yes', async () => {
    const loaded = await loadedBy('src/cli/tapgate.ts', 'vault', '--help');
    expect(loaded.filter((path) => WITH_KEYS.test(path))).toContain('vault/keystore/master-key.ts');
  });
});
