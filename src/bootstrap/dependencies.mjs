import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BootstrapError } from './error.mjs';
import { withInstallLock } from './install-lock.mjs';

/** The file's value, or undefined where it is missing or, while another command installs, not whole. */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Says why node_modules is not what package-lock.json states, or undefined where it is.
 *
 * npm records what it installed in node_modules/.package-lock.json once an install is complete. Packages for other
 * systems are optional and may be missing.
 *
 * @param {string} root
 * @returns {string | undefined}
 */
export function staleness(root) {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  if (wanted === undefined)
    throw new BootstrapError('package-lock.json is missing or not whole: get it from the repository again.');
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (installed === undefined) return 'nothing is installed yet';
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = installed[path];
    if (found === undefined && entry.optional) continue;
    // A package of another platform may be locked without its hash.
    const isOther = entry.integrity !== undefined && found?.integrity !== entry.integrity;
    if (found?.version !== entry.version || isOther)
      return `${path} is ${found?.version ?? 'missing'}, ${entry.version} is wanted`;
  }
  return undefined;
}

function npmCommand() {
  const path = process.env.npm_execpath;
  if (path !== undefined && basename(path).startsWith('npm')) return [process.execPath, path];
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
}

function install(root) {
  const [program, ...first] = npmCommand();
  const args = [...first, 'ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  return new Promise((resolve, reject) => {
    // npm's own output goes to stderr, because stdout belongs to the command that was asked for.
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 2, 2], shell: program.endsWith('.cmd') });
    child.once('error', (error) => reject(new BootstrapError(`npm cannot be started: ${error.message}`)));
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new BootstrapError('npm ci failed; see its messages above.'));
    });
  });
}

/**
 * Installs the dependencies where they are missing or not those of package-lock.json.
 *
 * @param {string} root
 */
export async function ensureDependencies(root) {
  if (staleness(root) === undefined) return;
  await withInstallLock(root, async () => {
    const reason = staleness(root);
    if (reason === undefined) return;
    process.stderr.write(`Installing dependencies (npm ci): ${reason}\n`);
    await install(root);
    const left = staleness(root);
    if (left !== undefined) throw new BootstrapError(`npm ci ended, but ${left}.`);
  });
}
