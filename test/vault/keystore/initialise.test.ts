import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseKeyBlockHeader } from '../../../src/payment-crypto/key-block/header.ts';
import { wipeKeys } from '../../../src/vault/keys.ts';
import { initialise } from '../../../src/vault/keystore/initialise.ts';
import { loadKeystore } from '../../../src/vault/keystore/load.ts';
import { clock, random, softwareKey, temporaryFolder, unwrap } from '../support/keystore.ts';

let folder: ReturnType<typeof temporaryFolder>;
let directory: string;
beforeEach(() => {
  folder = temporaryFolder();
  directory = join(folder.path, 'keys');
});
afterEach(() => folder.remove());

const options = { random, clock };
const mode = (path: string): number => statSync(path).mode & 0o777;

describe('a new keystore', () => {
  test('has its files for the owner only, and nothing beside them', () => {
    expect(initialise(directory, options)).toEqual({ ok: true, value: null });
    expect(readdirSync(directory).sort()).toEqual([
      'audit-checkpoint.json',
      'derivation-ids.json',
      'keys.json',
      'master.key',
    ]);
    expect(readdirSync(folder.path)).toEqual(['keys']);
    expect(mode(directory)).toBe(0o700);
    expect(mode(join(directory, 'master.key'))).toBe(0o600);
    expect(mode(join(directory, 'keys.json'))).toBe(0o600);
    expect(readFileSync(join(directory, 'master.key'))).toHaveLength(32);
  });

  test('holds each key as an X9.143 version D block of its own usage', () => {
    unwrap(initialise(directory, options));
    const { slots } = JSON.parse(readFileSync(join(directory, 'keys.json'), 'utf8')) as {
      slots: { kind: string; block: string; state: string }[];
    };
    const headers = slots.map(({ kind, block, state }) => {
      const { version, usage, algorithm, modeOfUse, exportability } = unwrap(parseKeyBlockHeader(block));
      return [kind, state, version + usage + algorithm + modeOfUse + exportability];
    });
    expect(headers).toEqual([
      ['kek', 'active', 'DK1ABN'],
      ['bdk-pin', 'active', 'DB0AXN'],
      ['bdk-account-data', 'active', 'DB0AXN'],
      ['anchor', 'active', 'DS0ESN'],
      ['device-token', 'active', 'DS0ESN'],
      ['receipt', 'active', 'DS0ESN'],
      ['audit', 'active', 'DS0ESN'],
      ['grant', 'active', 'DS0ESN'],
      ['card-reference', 'active', 'DM7HGN'],
      ['derivation-ledger', 'active', 'DM6ACN'],
    ]);
  });

  test('has two base derivation keys of AES-128 with two ids', () => {
    unwrap(initialise(directory, options));
    const { pinBdk, accountDataBdk } = unwrap(loadKeystore(directory));
    expect([pinBdk.key.bits, accountDataBdk.key.bits]).toEqual([128, 128]);
    expect(softwareKey(pinBdk).equals(softwareKey(accountDataBdk))).toBe(false);
    expect(pinBdk.id.equals(accountDataBdk.id)).toBe(false);
  });

  test('has two BDK ids even where the random source repeats itself', () => {
    let calls = 0;
    // Only the draw of 8 bytes for the ids repeats: keys are still random.
    const repeating = {
      bytes: (length: number): Buffer => {
        calls += 1;
        return length === 8 && calls < 6 ? Buffer.alloc(8, 7) : random.bytes(length);
      },
    };
    unwrap(initialise(directory, { random: repeating, clock }));
    const { pinBdk, accountDataBdk } = unwrap(loadKeystore(directory));
    expect(pinBdk.id.equals(accountDataBdk.id)).toBe(false);
  });

  test('endorses its service key for as long as it is told', () => {
    unwrap(initialise(directory, { ...options, serviceKeyDays: 30 }));
    const life = unwrap(loadKeystore(directory)).grant.notAfter - clock.now().getTime() / 1000;
    expect(life).toBe(30 * 86_400);
  });

  test('takes the place of an empty folder, and rights for others go with it', () => {
    mkdirSync(directory, { mode: 0o755 });
    expect(initialise(directory, options).ok).toBe(true);
    expect(mode(directory)).toBe(0o700);
  });

  test('makes the folders above it where they are missing', () => {
    expect(initialise(join(directory, 'deep', 'er'), options).ok).toBe(true);
    expect(loadKeystore(join(directory, 'deep', 'er')).ok).toBe(true);
  });
});

describe('what is there is never overwritten', () => {
  test('a keystore', () => {
    unwrap(initialise(directory, options));
    const before = readFileSync(join(directory, 'keys.json'));
    expect(initialise(directory, options)).toMatchObject({ ok: false, reason: 'KEYSTORE_EXISTS' });
    expect(readFileSync(join(directory, 'keys.json'))).toEqual(before);
    expect(readdirSync(folder.path)).toEqual(['keys']);
  });

  test.each(['master.key', 'keys.json', 'anything'])('a folder with %s alone', (name) => {
    mkdirSync(directory);
    writeFileSync(join(directory, name), 'x');
    expect(initialise(directory, options)).toMatchObject({ ok: false, reason: 'KEYSTORE_EXISTS' });
    expect(readdirSync(directory)).toEqual([name]);
  });

  test('a file', () => {
    writeFileSync(directory, 'x');
    expect(initialise(directory, options)).toMatchObject({ ok: false, reason: 'KEYSTORE_EXISTS' });
    expect(readFileSync(directory, 'utf8')).toBe('x');
  });
});

test('a place below a file is a refusal', () => {
  writeFileSync(directory, 'x');
  expect(initialise(join(directory, 'keys'), options)).toMatchObject({ ok: false, reason: 'KEYSTORE_IO' });
  expect(readdirSync(folder.path)).toEqual(['keys']);
});

test('wiped keys cannot be used, or printed before', () => {
  unwrap(initialise(directory, options));
  const keys = unwrap(loadKeystore(directory));
  expect(JSON.stringify([keys.pinBdk.key, keys.cardReference])).toBe('["[secret AES key]","[secret HMAC key]"]');
  wipeKeys(keys);
  for (const key of [softwareKey(keys.pinBdk), softwareKey(keys.accountDataBdk), keys.cardReference]) {
    expect(() => key.use((bytes) => bytes.length)).toThrow('wiped');
  }
});
