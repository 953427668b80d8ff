import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * One command of the repository.
 *
 * @typedef {object} Command
 * @property {string} summary one line for the list
 * @property {[string, ...string[]]} run the script, relative to the root, and what it is given before the caller's arguments
 * @property {string} [presentWith] a file of the checkout that says whether the command exists, where the script is an installed one
 * @property {string[]} [nodeFlags] flags of Node itself
 * @property {import('./system.mjs').Need[]} [needs] what the command may start that takes more than npm packages
 */

/** @type {Record<string, Command>} */
export const COMMANDS = {
  demo: {
    summary: 'a whole shop on this machine: service, phone, card and processing',
    run: ['src/cli/tapgate.ts', 'demo'],
    needs: ['postgres'],
  },
  tapgate: {
    summary: 'the tapgate command line',
    run: ['src/cli/tapgate.ts'],
    needs: ['postgres'],
  },
  test: {
    summary: 'the tests (arguments go to Jest)',
    run: ['node_modules/jest/bin/jest.js'],
    presentWith: 'jest.config.mjs',
    nodeFlags: ['--experimental-vm-modules'],
    needs: ['postgres', 'postgres-15', 'redis', 'softhsm', 'python'],
  },
  conformance: {
    summary: 'every known vector format under a folder',
    run: ['src/conformance/run.ts'],
  },
  bench: {
    summary: 'speed as ratios against bare yardsticks',
    run: ['bench/run.ts'],
    nodeFlags: ['--expose-gc'],
    needs: ['postgres'],
  },
  fuzz: {
    summary: 'random and mutated input against a parser',
    run: ['test/fuzz/run.ts'],
  },
  mutation: {
    summary: 'whether the tests notice mutated code',
    run: ['test/mutation/run.ts'],
    needs: ['postgres', 'postgres-15', 'redis', 'softhsm'],
  },
  chaos: {
    summary: 'kills processes under load and checks that nothing is lost',
    run: ['test/chaos/run.ts'],
    needs: ['postgres'],
  },
  payments: {
    summary: 'pays orders through every mishap and checks that nothing is lost and nothing twice',
    run: ['test/payments/run.ts'],
    needs: ['postgres'],
  },
  generate: {
    summary: 'writes generated code and documents anew',
    run: ['src/checks/generate.ts'],
  },
  build: {
    summary: 'compiles src/ to dist/',
    run: ['src/checks/build.ts'],
  },
  check: {
    summary: 'format, types, unused code, layers, wire contract, generated code',
    run: ['src/checks/check.ts'],
  },
  format: {
    summary: 'formats the code',
    run: ['node_modules/@biomejs/biome/bin/biome', 'check', '--write', '.'],
    presentWith: 'biome.json',
  },
};

/**
 * True where the command is part of this checkout.
 *
 * @param {Command} command
 * @param {string} root
 */
export function isPresent(command, root) {
  return existsSync(join(root, command.presentWith ?? command.run[0]));
}

/**
 * What Node is given to run the command: its own flags, the script, the arguments.
 *
 * @param {Command} command
 * @param {string} root
 * @param {string[]} args
 * @returns {string[]}
 */
export function nodeArguments(command, root, args) {
  const [script, ...first] = command.run;
  return [...(command.nodeFlags ?? []), join(root, script), ...first, ...args];
}

/**
 * The list of commands as text.
 *
 * @param {string} root
 */
export function describeCommands(root) {
  const rows = Object.entries(COMMANDS)
    .filter(([, command]) => isPresent(command, root))
    .map(([name, command]) => `  npm run ${name.padEnd(12)} ${command.summary}`);
  return [
    'Commands of this repository:',
    '',
    ...rows,
    '',
    'Arguments follow `--`, as in `npm run tapgate -- --help`.',
    '',
  ].join('\n');
}
