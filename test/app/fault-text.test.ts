import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { faultText, fileFaultText } from '../../src/app/fault-text.ts';

describe('a fault in words', () => {
  test.each([
    ['KEYSTORE_MISSING', undefined, /^KEYSTORE_MISSING: .*tapgate vault init$/],
    ['KEYSTORE_MODE', '/k/keys.json', /^KEYSTORE_MODE \(\/k\/keys\.json\): .*chmod 700/],
    ['ZONE_KEK_MISSING', undefined, /tapgate vault zone$/],
    ['CERTIFICATE_EXISTS', 'a.crt', /^CERTIFICATE_EXISTS \(a\.crt\): .*Move it away/],
    ['KEY_CHECK_VALUE_MISMATCH', undefined, /^KEY_CHECK_VALUE_MISMATCH: \S.*\. \S/],
    ['TR34_SIGNER', 'issuer', /^TR34_SIGNER \(issuer\): .*make it anew/],
    ['DER_TRUNCATED', undefined, /^DER_TRUNCATED: .*Name a file/],
    ['SOMETHING_ELSE', 'seen', /^SOMETHING_ELSE \(seen\)$/],
    ['toString', undefined, /^toString$/],
  ])('%s', (reason, detail, said) => {
    expect(faultText(detail === undefined ? { reason } : { reason, detail })).toMatch(said);
  });
});

describe('what the file system says of a file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tapgate-fault-'));
    await writeFile(join(folder, 'plain'), 'text');
    await mkdir(join(folder, 'inner'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each<[string, string, (path: string) => Promise<unknown>, RegExp]>([
    ['is not there', 'nothing', readFile, /nothing does not exist\. Check the path/],
    [
      'cannot be made for want of its folder',
      'no/new',
      (path) => writeFile(path, ''),
      /no\/new does not exist\. .*its folder/,
    ],
    ['lies below a file', 'plain/below', readFile, /plain\/below lies below .* Check the path/],
    ['is a folder', 'inner', (path) => writeFile(path, ''), /inner is a folder\. Name a file/],
    [
      'is there already',
      'plain',
      (path) => writeFile(path, '', { flag: 'wx' }),
      /plain is there already.*Name another/,
    ],
  ])('that %s', async (_what, name, use, said) => {
    const error: unknown = await use(join(folder, name)).catch((thrown: unknown) => thrown);
    expect(fileFaultText(error)).toMatch(said);
  });

  test.each([null, 'ENOENT', new Error('ENOENT'), { code: 'ECONNREFUSED', path: '/s' }, { code: 'ENOENT', path: 7 }])(
    'is nothing of %j',
    (error) => {
      expect(fileFaultText(error)).toBeNull();
    },
  );
});
