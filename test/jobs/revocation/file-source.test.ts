import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { createFileSource } from '../../../src/jobs/revocation/file-source.ts';
import { createStatusListSource } from '../../../src/jobs/revocation/location.ts';
import { listOf } from './support/server.ts';

const AT = new Date('2026-06-15T12:00:00Z');
const folder = mkdtempSync(join(tmpdir(), 'tapgate-revocation-'));
afterAll(() => rmSync(folder, { recursive: true }));

const request = { etag: null, at: AT, signal: new AbortController().signal };
let files = 0;
function fileWith(content: string, modified = AT): string {
  files += 1;
  const path = join(folder, `list-${files}.json`);
  writeFileSync(path, content);
  utimesSync(path, modified, modified);
  return path;
}

describe('a list in a file', () => {
  test('is as old as the file', async () => {
    const modified = new Date('2026-06-01T00:00:00Z');
    expect(await createFileSource(fileWith(listOf('5871'), modified)).read(request)).toEqual({
      ok: true,
      value: {
        kind: 'list',
        list: { fetchedAt: modified, entries: new Map([['5871', { status: 'REVOKED', reason: null }]]) },
        etag: null,
        maximumAgeSeconds: null,
      },
    });
  });

  test('is not from the future, whatever the file says', async () => {
    const path = fileWith(listOf(), new Date('2036-01-01T00:00:00Z'));
    expect(await createFileSource(path).read(request)).toMatchObject({ value: { list: { fetchedAt: AT } } });
  });

  test('is found through a link', async () => {
    const path = join(folder, 'link.json');
    symlinkSync(fileWith(listOf()), path);
    expect((await createFileSource(path).read(request)).ok).toBe(true);
  });

  test('is named by a path or a URL', async () => {
    const path = fileWith(listOf());
    for (const location of [path, pathToFileURL(path).href]) {
      const source = createStatusListSource(location, { deadlineMilliseconds: 1000 });
      expect(source.ok && (await source.value.read(request)).ok).toBe(true);
      expect(source.ok && source.value.name).toBe(path);
    }
  });
});

describe('no list is', () => {
  test('a file that is not there', async () => {
    const source = createFileSource(join(folder, 'nowhere.json'));
    expect(await source.read(request)).toEqual({ ok: false, reason: 'SOURCE_FILE_MISSING' });
  });

  test('a folder', async () => {
    const reading = createFileSource(folder).read(request);
    expect(await reading).toEqual({ ok: false, reason: 'SOURCE_FILE_UNREADABLE', detail: 'not a file' });
  });

  test('a pipe, which is not waited for', async () => {
    const path = join(folder, 'pipe');
    execFileSync('/usr/bin/mkfifo', [path]);
    expect(await createFileSource(path).read(request)).toMatchObject({ reason: 'SOURCE_FILE_UNREADABLE' });
  });

  test('a file over the limit', async () => {
    const path = fileWith('');
    truncateSync(path, 100 * 1024 * 1024);
    expect(await createFileSource(path).read(request)).toEqual({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
  });

  test('a file that is half written', async () => {
    const source = createFileSource(fileWith(listOf('5871').slice(0, -2)));
    expect(await source.read(request)).toMatchObject({ ok: false, reason: 'STATUS_LIST_NOT_JSON' });
  });

  test('one that nobody waits for any more', async () => {
    const reading = createFileSource(fileWith(listOf())).read({ ...request, signal: AbortSignal.abort() });
    expect(await reading).toEqual({ ok: false, reason: 'STOPPED' });
  });
});

describe('a location', () => {
  test.each([
    ['http://android.googleapis.com/attestation/status', 'SOURCE_NOT_ENCRYPTED'],
    ['http://127.0.0.1.example/status', 'SOURCE_NOT_ENCRYPTED'],
    ['https://user:secret@localhost/status', 'SOURCE_LOCATION_INVALID'],
    ['ftp://localhost/status', 'SOURCE_LOCATION_INVALID'],
    ['file://elsewhere/status.json', 'SOURCE_LOCATION_INVALID'],
    ['https://', 'SOURCE_LOCATION_INVALID'],
    ['', 'SOURCE_LOCATION_INVALID'],
  ])('%j is none', (location, reason) => {
    expect(createStatusListSource(location, { deadlineMilliseconds: 1 })).toEqual({ ok: false, reason });
  });

  test.each([
    'https://android.googleapis.com/attestation/status',
    'http://[::1]:8080/status',
    'http://localhost/status',
  ])('%s is a URL', (location) => {
    const source = createStatusListSource(location, { deadlineMilliseconds: 1 });
    expect(source.ok && source.value.name).toBe(location);
  });
});
