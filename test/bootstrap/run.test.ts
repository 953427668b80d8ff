import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ROOT } from '../../src/checks/root.ts';

let root: string;

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

const LOCK = { packages: { '': {}, 'node_modules/a': { version: '1.0.0', integrity: 'sha512-x' } } };

/** A checkout with the bootstrap only, whose dependencies count as installed. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tapgate-bootstrap-'));
  cpSync(join(ROOT, 'src/bootstrap'), join(root, 'src/bootstrap'), { recursive: true });
  write('package.json', '{"type":"module"}');
  write('package-lock.json', JSON.stringify(LOCK));
  write('node_modules/.package-lock.json', JSON.stringify(LOCK));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** An npm that installs nothing and says what it was asked for. */
function fakeNpm(script: string): NodeJS.ProcessEnv {
  write('npm-fake.cjs', script);
  return { ...process.env, npm_execpath: join(root, 'npm-fake.cjs') };
}

function run(args: readonly string[], environment: NodeJS.ProcessEnv = process.env) {
  return spawnSync(process.execPath, [join(root, 'src/bootstrap/run.mjs'), ...args], {
    encoding: 'utf8',
    env: environment,
  });
}

describe('the list of commands', () => {
  test('holds those whose entry exists', () => {
    write('src/cli/tapgate.ts', '');
    const { status, stdout } = run(['--help']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/npm run tapgate/);
    expect(stdout).toMatch(/npm run demo/);
    expect(stdout).not.toMatch(/npm run (chaos|fuzz|bench|test)/);
  });

  test.each([['chaos'], ['no-such-command'], ['__proto__'], []])('is shown, as a mistake, for %p', (...args) => {
    const { status, stdout, stderr } = run(args);
    expect(status).toBe(2);
    expect(stdout + stderr).toContain('Commands of this repository');
  });
});

describe('a command', () => {
  test('gets its arguments and leaves stdout to the program', () => {
    write('src/cli/tapgate.ts', 'const rest: string[] = process.argv.slice(2); console.log(JSON.stringify(rest));');
    const { status, stdout, stderr } = run(['tapgate', '--json', 'a b', '']);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '["--json","a b",""]\n', stderr: '' });
  });

  test('runs on Node 24 or later, its children too', () => {
    write(
      'src/cli/tapgate.ts',
      "import { execFileSync } from 'node:child_process'; console.log(process.version, execFileSync(process.execPath, ['-p', 'process.version']).toString());",
    );
    for (const version of run(['tapgate']).stdout.trim().split(/\s+/))
      expect(Number.parseInt(version.slice(1), 10)).toBeGreaterThanOrEqual(24);
  });

  test('hides warnings about experimental features and no others', () => {
    write(
      'src/cli/tapgate.ts',
      "process.emitWarning('one', 'ExperimentalWarning'); process.emitWarning('two', 'RealWarning');",
    );
    const { stderr } = run(['tapgate']);
    expect(stderr).not.toContain('ExperimentalWarning');
    expect(stderr).toContain('RealWarning: two');
  });

  test.each([
    ['process.exit(7)', 7],
    ["throw new Error('x')", 1],
    ["process.kill(process.pid, 'SIGKILL')", 137],
  ])('%s ends with its exit code %i', (script, code) => {
    write('src/cli/tapgate.ts', script);
    expect(run(['tapgate']).status).toBe(code);
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('is told of %s and may end in its own way', async (signal) => {
    write(
      'src/cli/tapgate.ts',
      `process.on('${signal}', () => process.exit(42)); setInterval(() => {}, 1000); console.log('ready');`,
    );
    const child = spawn(process.execPath, [join(root, 'src/bootstrap/run.mjs'), 'tapgate'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await ended).toEqual([42, null]);
  });
});

describe('dependencies', () => {
  const installs = `
    require('node:fs').writeFileSync('node_modules/.package-lock.json', ${JSON.stringify(JSON.stringify(LOCK))});
    console.log('npm', ...process.argv.slice(2));`;

  beforeEach(() => write('src/cli/tapgate.ts', "console.log('ran')"));

  test('are left alone where they are those of the lock', () => {
    const { status, stderr } = run(['tapgate'], fakeNpm('process.exit(1)'));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test.each([
    ['nothing is installed', undefined],
    ['another version is installed', { packages: { 'node_modules/a': { version: '0.9.0', integrity: 'sha512-x' } } }],
    [
      'another build of it is installed',
      { packages: { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-y' } } },
    ],
    ['one is missing', { packages: {} }],
  ])('are installed where %s, without a word on stdout', (_, installed) => {
    if (installed === undefined) rmSync(join(root, 'node_modules/.package-lock.json'));
    else write('node_modules/.package-lock.json', JSON.stringify(installed));
    const { status, stdout, stderr } = run(['tapgate'], fakeNpm(installs));
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'ran\n' });
    expect(stderr).toContain('npm ci --include=dev');
  });

  test('of other systems may be missing', () => {
    const other = { version: '1.0.0', integrity: 'sha512-z', optional: true };
    write('package-lock.json', JSON.stringify({ packages: { ...LOCK.packages, 'node_modules/b': other } }));
    expect(run(['tapgate'], fakeNpm('process.exit(1)')).status).toBe(0);
  });

  test('that cannot be installed stop the command', () => {
    rmSync(join(root, 'node_modules/.package-lock.json'));
    const { status, stdout, stderr } = run(['tapgate'], fakeNpm('process.exit(1)'));
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('npm ci failed');
  });

  test('are installed once where two commands start together', async () => {
    rmSync(join(root, 'node_modules/.package-lock.json'));
    const environment = fakeNpm(`require('node:fs').appendFileSync('installs', 'x');${installs}`);
    const started = ['tapgate', 'tapgate'].map((name) =>
      spawn(process.execPath, [join(root, 'src/bootstrap/run.mjs'), name], { env: environment, stdio: 'ignore' }),
    );
    const ended = await Promise.all(started.map((child) => once(child, 'exit')));
    expect(ended).toEqual([
      [0, null],
      [0, null],
    ]);
    expect(spawnSync('cat', [join(root, 'installs')], { encoding: 'utf8' }).stdout).toBe('x');
  });

  test('are installed although a killed command left its lock', () => {
    rmSync(join(root, 'node_modules/.package-lock.json'));
    const dead = spawnSync(process.execPath, ['--version']).pid;
    write('.tapgate/install.lock', String(dead));
    expect(run(['tapgate'], fakeNpm(installs)).stdout).toBe('ran\n');
  });
});

describe('the installed program', () => {
  const program = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'src/bootstrap/tapgate.mjs'), ...args], { encoding: 'utf8' });

  test('runs the source of a checkout, else what was compiled', () => {
    write('dist/cli/tapgate.js', "console.log('compiled', ...process.argv.slice(2))");
    expect(program('x').stdout).toBe('compiled x\n');
    write('src/cli/tapgate.ts', "const name: string = 'source'; console.log(name)");
    expect(program().stdout).toBe('source\n');
  });

  test('says what to do where there is neither', () => {
    const { status, stderr } = program();
    expect(status).toBe(1);
    expect(stderr).toContain('npm run build');
  });
});
