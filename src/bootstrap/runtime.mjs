import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { BootstrapError } from './error.mjs';

const WANTED_MAJOR = 24;
const QUIET = '--disable-warning=ExperimentalWarning';
const NODE = process.platform === 'win32' ? 'node.exe' : 'node';

function major(version) {
  return Number.parseInt(version.replace(/^v/, ''), 10);
}

function majorOf(program) {
  const { status, stdout } = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? major(stdout) : 0;
}

/**
 * The path of a Node of version 24 or later: the one that runs this, the one npm installed, or one on the PATH.
 *
 * @param {string} root
 * @returns {string}
 */
export function findRuntime(root) {
  if (major(process.version) >= WANTED_MAJOR) return process.execPath;
  const folders = [join(root, 'node_modules', '.bin'), ...(process.env.PATH ?? '').split(delimiter).filter(Boolean)];
  for (const folder of folders) {
    const candidate = join(folder, NODE);
    if (majorOf(candidate) >= WANTED_MAJOR) return candidate;
  }
  throw new BootstrapError(
    [
      `Node ${WANTED_MAJOR} or later is needed; this is ${process.version}, and npm has installed none for ${process.platform} ${process.arch}.`,
      `Install Node ${WANTED_MAJOR} (https://nodejs.org/en/download) so that \`node --version\` shows it, and run the command again.`,
    ].join('\n'),
  );
}

/**
 * The environment of a command: its children find the same Node and the installed tools, and warnings about
 * experimental features stay quiet in them too; every other warning is shown.
 *
 * @param {string} root
 * @param {NodeJS.ProcessEnv} environment
 * @returns {NodeJS.ProcessEnv}
 */
export function runtimeEnvironment(root, environment) {
  const options = environment.NODE_OPTIONS ?? '';
  const path = [join(root, 'node_modules', '.bin'), environment.PATH ?? ''].filter(Boolean).join(delimiter);
  return {
    ...environment,
    PATH: path,
    NODE_OPTIONS: options.includes(QUIET) ? options : `${options} ${QUIET}`.trim(),
  };
}
