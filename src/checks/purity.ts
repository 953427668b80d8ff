import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Finding } from './finding.ts';

/** Rooms whose code takes time, chance and configuration as arguments only. */
const PURE_ROOMS = [
  'attestation',
  'audit',
  'devices',
  'emv',
  'encoding',
  'gate',
  'injection',
  'keys',
  'payment-crypto',
  'pin',
  'policy',
  'ports',
  'reasons',
  'sessions',
  'tokens',
  'x509',
];

const IMPURE: readonly (readonly [string, RegExp])[] = [
  ['reads the clock', /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b|\bhrtime\b/],
  ['draws randomness', /\bMath\.random\b|\b(randomBytes|randomUUID|randomInt|randomFill(Sync)?)\(/],
  ['reads the process', /\bprocess\.[a-z]/],
  ['sets a timer', /\bset(Timeout|Interval|Immediate)\(/],
  ['reaches the network', /\bfetch\(/],
];

/** Payment-crypto has one door to the system's randomness, and tests may put another source behind it. */
const RANDOM_SOURCES = ['src/payment-crypto/random.ts'];

function withoutComments(source: string): string {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|\s)\/\/.*$/gm, '$1');
}

function findings(path: string, source: string): string[] {
  return withoutComments(source)
    .split('\n')
    .flatMap((line, index) =>
      IMPURE.filter(
        ([what, pattern]) => pattern.test(line) && !(what === 'draws randomness' && RANDOM_SOURCES.includes(path)),
      ).map(([what]) => `${path}:${index + 1} ${what}: ${line.trim()}`),
    );
}

/** Domain code takes clock, randomness and configuration as arguments. */
export async function domainPurity(root: string): Promise<Finding> {
  const lines: string[] = [];
  let seen = 0;
  for (const room of PURE_ROOMS) {
    const folder = join(root, 'src', room);
    if (!existsSync(folder)) continue;
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const path = join(entry.parentPath, entry.name);
      seen += 1;
      lines.push(...findings(relative(root, path), await readFile(path, 'utf8')));
    }
  }
  const status = seen > 0 && lines.length === 0 ? 'passed' : 'failed';
  return { status, seen: `${seen} files`, output: seen === 0 ? 'the check saw no files' : lines.join('\n') };
}
