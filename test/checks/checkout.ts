import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from '../../src/checks/root.ts';

const CONFIGURATION = [
  '.dependency-cruiser.cjs',
  '.gitignore',
  'biome.json',
  'buf.yaml',
  'knip.json',
  'package.json',
  'proto/buf.gen.yaml',
  'tsconfig.json',
];

/** A checkout with this repository's configuration and tools, and with the given files only. */
export function temporaryCheckout(files: Readonly<Record<string, string>>): { readonly root: string; dispose(): void } {
  const root = mkdtempSync(join(tmpdir(), 'tapgate-checkout-'));
  mkdirSync(join(root, 'src'));
  mkdirSync(join(root, 'proto'));
  for (const path of CONFIGURATION) cpSync(join(ROOT, path), join(root, path));
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return { root, dispose: () => rmSync(root, { recursive: true, force: true }) };
}
