import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { loadKeystore } from '../../src/vault/keystore/load.ts';
import { makeKeystore } from '../../src/vault/keystore-maker.ts';
import type { KeystoreSource } from '../../src/vault/keystore-source.ts';
import { sourceArguments, sourceOfArguments } from '../../src/vault/source-arguments.ts';
import { temporaryFolder } from './support/keystore.ts';

let folder: ReturnType<typeof temporaryFolder>;
let directory: string;
beforeEach(() => {
  folder = temporaryFolder();
  directory = join(folder.path, 'keys');
});
afterEach(() => folder.remove());

const SOFTWARE: KeystoreSource = { kind: 'software' };
const make = (source: KeystoreSource) => makeKeystore({ directory, source, environment: {} });

describe('a keystore that another process makes', () => {
  test('is whole once that has ended', async () => {
    expect(await make(SOFTWARE)).toEqual({ ok: true, value: null });
    expect(loadKeystore(directory).ok).toBe(true);
    expect(readdirSync(folder.path)).toEqual(['keys']);
  });

  test('is not made where there is one, nor without its passphrase: the fault is told', async () => {
    await make(SOFTWARE);
    expect(await make(SOFTWARE)).toEqual({ ok: false, reason: 'KEYSTORE_NOT_MADE', detail: 'KEYSTORE_EXISTS' });
    const passphraseFile = join(folder.path, 'passphrase');
    writeFileSync(passphraseFile, 'short', { mode: 0o600 });
    expect(await make({ kind: 'software', passphraseFile })).toEqual({
      ok: false,
      reason: 'KEYSTORE_NOT_MADE',
      detail: 'PASSPHRASE_FILE under 12 bytes',
    });
  });
});

const TOKEN = { module: '/m.so', 'token-label': 'label', 'pin-file': '/pin' };

test.each<[object, KeystoreSource | null]>([
  [{}, SOFTWARE],
  [{ 'passphrase-file': '/p' }, { kind: 'software', passphraseFile: '/p' }],
  [TOKEN, { kind: 'pkcs11', module: '/m.so', tokenLabel: 'label', pinFile: '/pin' }],
  [{ ...TOKEN, 'passphrase-file': '/p' }, null],
  [{ ...TOKEN, module: undefined }, null],
  [{ ...TOKEN, 'token-label': undefined }, null],
  [{ ...TOKEN, 'pin-file': undefined }, null],
  [{ 'pin-file': '/pin' }, null],
])('options %j name the source %j', (values, source) => {
  expect(sourceOfArguments(values)).toEqual(source);
});

test.each<[KeystoreSource, string[]]>([
  [SOFTWARE, []],
  [{ kind: 'software', passphraseFile: '/p' }, ['--passphrase-file', '/p']],
  [
    { kind: 'pkcs11', module: '/m.so', tokenLabel: 'label', pinFile: '/pin' },
    ['--module', '/m.so', '--token-label', 'label', '--pin-file', '/pin'],
  ],
])('the source %j is written as %j', (source, words) => expect(sourceArguments(source)).toEqual(words));
