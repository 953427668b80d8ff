// Completes package-lock.json after `npm install`: a registry that lacks a package of another platform makes npm leave
// it out of the lock, and `npm ci` then refuses the lock on every platform.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LockEntry, readLock, type Unlocked, unlocked } from './lock.ts';
import { ROOT } from './root.ts';

const OS = /[-/](android|darwin|freebsd|linux|openharmony|win32)-/;
const CPU = /-(arm64|arm|armv7|ia32|loong64|ppc64|riscv64|s390x|x64)(?:-|$)/;

/** The platform that a package's name states, in npm's words. */
function platformOf(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'> | null {
  const os = OS.exec(name)?.[1];
  const cpu = CPU.exec(name)?.[1]?.replace('armv7', 'arm');
  if (os === undefined || cpu === undefined) return null;
  const libc = /musl/.test(name) ? 'musl' : /gnu/.test(name) ? 'glibc' : undefined;
  return { ...(libc === undefined ? {} : { libc: [libc] }), os: [os], cpu: [cpu] };
}

function entryFor({ name, range, optional }: Unlocked, dependent: LockEntry | undefined): LockEntry {
  const platform = platformOf(name);
  if (!optional || platform === null || !/^\d+\.\d+\.\d+/.test(range))
    throw new Error(`${name} ${range} is no exact package of one platform: run npm install`);
  return { version: range, ...(dependent?.dev === true ? { dev: true } : {}), optional: true, ...platform };
}

const lock = await readLock(ROOT);
const missing = unlocked(lock.packages);
const added = missing.map((one) => [`node_modules/${one.name}`, entryFor(one, lock.packages[one.dependent])] as const);
const packages = Object.fromEntries(
  [...Object.entries(lock.packages), ...added].sort(([a], [b]) => a.localeCompare(b, 'en')),
);
await writeFile(join(ROOT, 'package-lock.json'), `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
process.stdout.write(`${added.length} packages of other platforms added to package-lock.json\n`);
