import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { ROOT } from './root.ts';
import { runTool } from './tool.ts';

/** Parts of src/ that serve the checkout only. */
const LEFT_OUT = ['bootstrap', 'checks'];

/** A program or worker that is started by its path: a compiler does not see that its extension has changed. */
const SOURCE_PATH = /new URL\(\s*['"`][^'"`]*\.ts['"`]/;

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function copyAssets(source: string, target: string): Promise<number> {
  let copied = 0;
  for (const path of await filesUnder(source)) {
    const inside = relative(source, path);
    if (extname(path) === '.ts' || LEFT_OUT.includes(inside.split(sep)[0] ?? '')) continue;
    await cp(path, join(target, inside));
    copied += 1;
  }
  return copied;
}

async function compiledFiles(target: string): Promise<string[]> {
  const files = (await filesUnder(target)).filter((path) => path.endsWith('.js'));
  for (const path of files)
    if (SOURCE_PATH.test(await readFile(path, 'utf8')))
      throw new Error(`${path} starts a .ts file by its path; take the extension from import.meta.filename`);
  return files;
}

if (process.argv.includes('--help')) {
  process.stdout.write(
    'Usage: npm run build\n\nCompiles src/ to dist/ (JavaScript, declarations, other files copied).\n',
  );
} else {
  const source = join(ROOT, 'src');
  const target = join(ROOT, 'dist');
  await rm(target, { recursive: true, force: true });
  const compiled = await runTool('tsc', ['-p', 'tsconfig.build.json'], { cwd: ROOT });
  if (compiled.status !== 0) {
    process.stderr.write(compiled.stdout + compiled.stderr);
    process.exitCode = 1;
  } else {
    const copied = await copyAssets(source, target);
    const files = await compiledFiles(target);
    if (files.length === 0) throw new Error('the compiler wrote no file');
    process.stdout.write(`dist/: ${files.length} compiled files, ${copied} copied\n`);
  }
}
