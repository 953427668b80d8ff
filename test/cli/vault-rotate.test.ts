import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';

const TAPGATE = join(import.meta.dirname, '..', '..', 'src', 'cli', 'tapgate.ts');
const run = promisify(execFile);

let root: string;
let data: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tapgate-rotate-'));
  data = join(root, 'data');
  await vault('init');
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Status {
  readonly generation: number;
  readonly slots: readonly {
    readonly id: string;
    readonly kind: string;
    readonly state: string;
    readonly kcv: string;
  }[];
}

/** Runs `tapgate vault` and reads its JSON. */
async function vault<T>(...words: string[]): Promise<T> {
  const { stdout } = await run(process.execPath, [TAPGATE, 'vault', ...words, '--data', data, '--json']);
  return JSON.parse(stdout) as T;
}

/** Check values of all keys but KEK and anchor. */
const others = ({ slots }: Status): string[] =>
  slots.filter(({ kind }) => kind !== 'kek' && kind !== 'anchor').map(({ id, kcv }) => `${id} ${kcv}`);

describe('tapgate vault rotate', () => {
  test('renews KEK, master key and anchor of a vault, whose keys stay', async () => {
    const before = await vault<Status>('status');
    const { kekKcv } = await vault<{ kekKcv: string }>('rotate', 'kek', '--by', 'alice');
    await vault('rotate', 'master-key', '--by', 'alice');
    const pem = join(root, 'anchor.pem');
    const { anchor } = await vault<{ anchor: string }>('rotate', 'anchor', '--out', pem);
    const after = await vault<Status>('status');
    expect(others(after)).toEqual(others(before));
    expect(after.generation).toBe(before.generation + 3);
    expect(after.slots.find(({ kind, state }) => kind === 'kek' && state === 'active')?.kcv).toBe(kekKcv);
    expect((await readFile(pem, 'utf8')).replace(/-----.*-----|\n/g, '')).toBe(anchor);
  }, 60_000);

  test('leads a software vault from its file to a passphrase, and back', async () => {
    const passphrase = join(root, 'passphrase');
    await writeFile(passphrase, 'correct horse battery staple\n', { mode: 0o600 });
    await vault('rotate', 'master-key', '--new-passphrase-file', passphrase);
    expect(await readdir(join(data, 'vault'))).not.toContain('master.key');
    await expect(vault('status')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('KEYSTORE_MISSING'),
    });
    await writeFile(join(data, 'config.yaml'), stringify({ vault: { kind: 'software', passphraseFile: passphrase } }));
    expect((await vault<Status>('status')).slots.length).toBeGreaterThan(8);
    await expect(vault('rotate', 'master-key')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--new-passphrase-file'),
    });
    await vault('rotate', 'master-key', '--to-file');
    await rm(join(data, 'config.yaml'));
    expect((await vault<Status>('status')).slots.length).toBeGreaterThan(8);
  }, 60_000);

  test('says what is wrong where nothing can be renewed', async () => {
    const short = join(root, 'short');
    await writeFile(short, 'too short', { mode: 0o600 });
    await expect(vault('rotate', 'master-key', '--new-passphrase-file', short)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('PASSPHRASE_FILE'),
    });
    await expect(vault('rotate', 'anchor')).rejects.toMatchObject({ stderr: expect.stringContaining('--out') });
    const { stdout } = await run(process.execPath, [TAPGATE, 'vault', 'rotate', 'kek', '--data', data]);
    expect(stdout).toMatch(/wrapped under a new key-encryption key: check value [0-9A-F]{10}/);
  }, 60_000);
});

test('a second vault is not made in the place of the first, and the fault is told by its name', async () => {
  await expect(vault('init')).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('KEYSTORE_EXISTS') });
}, 30_000);
