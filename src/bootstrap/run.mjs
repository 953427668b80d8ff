#!/usr/bin/env node
// The repository's commands: `node src/bootstrap/run.mjs COMMAND [arguments]`, which is what `npm run COMMAND` calls.
// Plain JavaScript for Node 20 or later without installed packages: it has to run before they are there.
import { fileURLToPath } from 'node:url';
import { runChild } from './child.mjs';
import { COMMANDS, describeCommands, isPresent, nodeArguments } from './commands.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { BootstrapError } from './error.mjs';
import { findRuntime, runtimeEnvironment } from './runtime.mjs';
import { ensureSystemPackages } from './system.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

async function main([name, ...args]) {
  if (name === undefined || name === '--help' || name === '-h') {
    process.stdout.write(describeCommands(root));
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined || !isPresent(command, root)) {
    process.stderr.write(`There is no command ${JSON.stringify(name)} here.\n\n${describeCommands(root)}`);
    return 2;
  }
  await ensureDependencies(root);
  const runtime = findRuntime(root);
  await ensureSystemPackages(root, command.needs ?? []);
  return runChild(runtime, nodeArguments(command, root, args), {
    cwd: root,
    env: runtimeEnvironment(root, process.env),
  });
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    process.stderr.write(`${error instanceof BootstrapError ? error.message : error.stack}\n`);
    process.exitCode = 1;
  },
);
