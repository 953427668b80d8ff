#!/usr/bin/env node
// The `tapgate` program of the installed package: the compiled command line, or in a checkout its source.
import { existsSync } from 'node:fs';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from './child.mjs';
import { BootstrapError } from './error.mjs';
import { findRuntime, runtimeEnvironment } from './runtime.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const source = fileURLToPath(new URL('../cli/tapgate.ts', import.meta.url));
const compiled = fileURLToPath(new URL('../../dist/cli/tapgate.js', import.meta.url));

/** Node erases types outside node_modules only, so an installed package runs its compiled form. */
function entry() {
  const installed = root.includes(`${sep}node_modules${sep}`);
  const found = (installed ? [compiled] : [source, compiled]).find((path) => existsSync(path));
  if (found === undefined) throw new BootstrapError('The tapgate command line is not built: run `npm run build`.');
  return found;
}

try {
  const environment = runtimeEnvironment(root, process.env);
  process.exitCode = await runChild(findRuntime(root), [entry(), ...process.argv.slice(2)], { env: environment });
} catch (error) {
  process.stderr.write(`${error instanceof BootstrapError ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
