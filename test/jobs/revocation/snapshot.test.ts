import { createSecretKey, randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createHmacSeal, openFolderSeal, type SnapshotSeal } from '../../../src/jobs/revocation/seal.ts';
import { createSnapshotStore, type Snapshot } from '../../../src/jobs/revocation/snapshot.ts';
import { ok, refuse } from '../../../src/reasons/result.ts';
import { START, statusList } from './support/keeping.ts';

const root = mkdtempSync(join(tmpdir(), 'tapgate-snapshot-'));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
const newFolder = (): string => {
  folders += 1;
  return join(root, `data-${folders}`, 'revocation');
};
const random = { bytes: (length: number) => randomBytes(length) };

async function sealOf(folder: string): Promise<SnapshotSeal> {
  const seal = await openFolderSeal(folder, random);
  if (!seal.ok) throw new Error(seal.reason);
  return seal.value;
}

const SNAPSHOT: Snapshot = {
  source: 'https://android.googleapis.com/attestation/status',
  list: {
    fetchedAt: START,
    entries: new Map([
      ['5871646753572800414', { status: 'REVOKED', reason: 'KEY_COMPROMISE' }],
      ['abcd', { status: 'SUSPENDED', reason: null }],
    ]),
  },
  etag: '"v1"',
  maximumAgeSeconds: 3600,
};
const file = (folder: string): string => join(folder, 'status-list.snapshot');
const keyFile = (folder: string): string => join(folder, 'snapshot.key');

async function saved(): Promise<string> {
  const folder = newFolder();
  const done = await createSnapshotStore(folder, await sealOf(folder)).save(SNAPSHOT);
  if (!done.ok) throw new Error(done.reason);
  return folder;
}
const load = async (folder: string) => createSnapshotStore(folder, await sealOf(folder)).load();

describe('a snapshot', () => {
  test('comes back as it was, in another process', async () => {
    expect(await load(await saved())).toEqual(ok(SNAPSHOT));
  });

  test('is none in a new folder', async () => {
    expect(await load(newFolder())).toEqual(ok(null));
  });

  test('is replaced as a whole, and leaves nothing else behind', async () => {
    const folder = await saved();
    const later = { ...SNAPSHOT, list: statusList(['ef01'], START), etag: null };
    const store = createSnapshotStore(folder, await sealOf(folder));
    expect(await store.save(later)).toEqual(ok(null));
    expect(await store.load()).toEqual(ok(later));
    expect(readdirSync(folder).sort()).toEqual(['snapshot.key', 'status-list.snapshot']);
  });

  test('that was half written does not harm the one before', async () => {
    const folder = await saved();
    writeFileSync(`${file(folder)}.new`, 'half', { mode: 0o600 });
    expect(await load(folder)).toEqual(ok(SNAPSHOT));
    expect((await createSnapshotStore(folder, await sealOf(folder)).save(SNAPSHOT)).ok).toBe(true);
    expect(readdirSync(folder)).not.toContain('status-list.snapshot.new');
  });

  test("is the owner's alone, as its key is", async () => {
    const folder = await saved();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const path of [file(folder), keyFile(folder)]) expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('of one list is not saved where the folder is gone', async () => {
    const folder = await saved();
    const store = createSnapshotStore(folder, await sealOf(folder));
    rmSync(folder, { recursive: true });
    expect(await store.save(SNAPSHOT)).toEqual({ ok: false, reason: 'FILE_IO', detail: 'ENOENT' });
  });

  test('waits for its seal', async () => {
    const away: SnapshotSeal = {
      seal: async () => refuse('SEAL_UNAVAILABLE'),
      open: async () => refuse('SEAL_UNAVAILABLE'),
    };
    const store = createSnapshotStore(await saved(), away);
    expect(await store.save(SNAPSHOT)).toEqual({ ok: false, reason: 'SEAL_UNAVAILABLE' });
    expect(await store.load()).toEqual({ ok: false, reason: 'SEAL_UNAVAILABLE' });
  });
});

describe('a snapshot is not loaded', () => {
  test('where any byte of it was changed', async () => {
    const folder = await saved();
    const whole = readFileSync(file(folder));
    for (let at = 0; at < whole.length; at += 1) {
      const changed = Buffer.from(whole);
      changed[at]! ^= 1;
      writeFileSync(file(folder), changed);
      expect(await load(folder)).toEqual({ ok: false, reason: 'SEAL_BROKEN' });
    }
  });

  test.each([0, 1, 31, 32, 100])('where it was cut to %i bytes', async (length) => {
    const folder = await saved();
    truncateSync(file(folder), length);
    expect(await load(folder)).toEqual({ ok: false, reason: 'SEAL_BROKEN' });
  });

  test('where it was sealed with another key', async () => {
    const folder = await saved();
    rmSync(keyFile(folder));
    expect(await load(folder)).toEqual({ ok: false, reason: 'SEAL_BROKEN' });
  });

  test('where others may write it', async () => {
    const folder = await saved();
    chmodSync(file(folder), 0o622);
    expect(await load(folder)).toEqual({ ok: false, reason: 'FILE_OPEN_TO_OTHERS' });
  });

  test('where it is a link', async () => {
    const folder = await saved();
    const elsewhere = await saved();
    rmSync(file(folder));
    symlinkSync(file(elsewhere), file(folder));
    expect(await load(folder)).toEqual({ ok: false, reason: 'FILE_NOT_REGULAR' });
  });

  test('where it is larger than a list', async () => {
    const folder = await saved();
    truncateSync(file(folder), 100 * 1024 * 1024);
    expect(await load(folder)).toEqual({ ok: false, reason: 'FILE_TOO_LARGE' });
  });

  test.each([
    ['what is not JSON', 'text', 'SNAPSHOT_MALFORMED'],
    ['another version', JSON.stringify({ version: 2 }), 'SNAPSHOT_MALFORMED'],
    ['a time that is none', JSON.stringify({ version: 1, source: '', fetchedAt: 'today' }), 'SNAPSHOT_MALFORMED'],
    [
      'no list',
      JSON.stringify({ version: 1, source: '', fetchedAt: START.toISOString(), etag: null, maximumAgeSeconds: null }),
      'STATUS_LIST_NO_ENTRIES',
    ],
  ])('where it holds %s, however well sealed', async (_, content, reason) => {
    const folder = newFolder();
    const seal = await sealOf(folder);
    const sealed = await seal.seal(Buffer.from(content));
    if (!sealed.ok) throw new Error(sealed.reason);
    writeFileSync(file(folder), sealed.value, { mode: 0o600 });
    expect(await load(folder)).toMatchObject({ ok: false, reason });
  });
});

describe('the key of the seal', () => {
  test('is made once, by whoever comes first', async () => {
    const folder = newFolder();
    const seals = await Promise.all(Array.from({ length: 8 }, () => sealOf(folder)));
    const sealed = await seals[0]!.seal(Buffer.from('list'));
    if (!sealed.ok) throw new Error(sealed.reason);
    for (const seal of seals) expect(await seal.open(sealed.value)).toEqual(ok(Buffer.from('list')));
    expect(readdirSync(folder)).toEqual(['snapshot.key']);
    expect(statSync(keyFile(folder)).size).toBe(32);
  });

  test('is refused where others may read it', async () => {
    const folder = await saved();
    chmodSync(keyFile(folder), 0o640);
    expect(await openFolderSeal(folder, random)).toEqual({ ok: false, reason: 'FILE_OPEN_TO_OTHERS' });
  });

  test.each([0, 31])('is refused where it has %i bytes', async (length) => {
    const folder = await saved();
    truncateSync(keyFile(folder), length);
    expect((await openFolderSeal(folder, random)).ok).toBe(false);
  });

  test('is refused where it is too long', async () => {
    const folder = await saved();
    truncateSync(keyFile(folder), 33);
    expect(await openFolderSeal(folder, random)).toEqual({ ok: false, reason: 'FILE_TOO_LARGE' });
  });
});

test('whatever is sealed is opened, and nothing else is', async () => {
  const seal = createHmacSeal(createSecretKey(Buffer.alloc(32, 1)));
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), async (bytes, other) => {
      const sealed = await seal.seal(bytes);
      if (!sealed.ok) throw new Error(sealed.reason);
      expect(await seal.open(sealed.value)).toEqual(ok(Buffer.from(bytes)));
      expect((await seal.open(other)).ok).toBe(false);
    }),
    { seed: 1 },
  );
});
