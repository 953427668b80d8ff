import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { Custodian } from '../../../src/vault/keystore/custodian.ts';
import { initialise } from '../../../src/vault/keystore/initialise.ts';
import { loadKeystore } from '../../../src/vault/keystore/load.ts';
import { MasterKeyOfPassphrase, MasterKeyOfToken, tokenSerialOf } from '../../../src/vault/keystore/master-key.ts';
import type { Keystore } from '../../../src/vault/keystore/place.ts';
import type { FileSystem } from '../../../src/vault/keystore/replace.ts';
import { TokenError } from '../../../src/vault/pkcs11/token-error.ts';
import { dyingAt } from '../support/dying-files.ts';
import { clock, random, temporaryFolder, unwrap } from '../support/keystore.ts';
import { MemoryToken } from '../support/memory-token.ts';

let folder: ReturnType<typeof temporaryFolder>;
let directory: string;
beforeEach(() => {
  folder = temporaryFolder();
  directory = join(folder.path, 'keys');
});
afterEach(() => folder.remove());

const ports = { random, clock };
const edit = (from: string | RegExp, to: string): void => {
  const path = join(directory, 'master.json');
  const text = readFileSync(path, 'utf8');
  expect(text).toMatch(from);
  writeFileSync(path, text.replace(from, to));
};

describe('a master key from a passphrase', () => {
  const withPassphrase = (text: string): Keystore => ({
    directory,
    master: new MasterKeyOfPassphrase(new SecretBytes(Buffer.from(text))),
    token: null,
  });

  test('opens what it was made with, and is written nowhere', () => {
    const place = withPassphrase('correct horse battery staple');
    unwrap(initialise(place, ports));
    const again = withPassphrase('correct horse battery staple');
    const key = unwrap(again.master.open(directory)).use((bytes) => Buffer.from(bytes));
    expect(loadKeystore(again).ok).toBe(true);
    const written =
      readFileSync(join(directory, 'master.json')).toString() + readFileSync(join(directory, 'keys.json'));
    for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const)
      expect(written.toLowerCase()).not.toContain(key.toString(form).toLowerCase());
    expect(written).not.toContain('horse');
    expect(() => readFileSync(join(directory, 'master.key'))).toThrow('ENOENT');
  });

  test('is refused where it is another one, or the keystore is of another kind', () => {
    unwrap(initialise(withPassphrase('correct horse battery staple'), ports));
    expect(loadKeystore(withPassphrase('wrong horse battery staple'))).toMatchObject({ reason: 'KEYSTORE_PASSPHRASE' });
    expect(loadKeystore(directory)).toMatchObject({ reason: 'KEYSTORE_MISSING', detail: 'master.key' });
    const token = new MemoryToken();
    expect(loadKeystore({ directory, master: new MasterKeyOfToken(token), token })).toMatchObject({
      reason: 'KEYSTORE_CORRUPT',
    });
    expect(tokenSerialOf(directory)).toBeNull();
  });

  test.each([
    ['less work', /"cost": \d+/, '"cost": 1024'],
    ['more memory than there is', /"cost": \d+/, '"cost": 1073741824'],
    ['another form', /"version": 1/, '"version": 2'],
    ['no JSON', '{', ''],
  ])('is refused with %s', (_what, from, to) => {
    unwrap(initialise(withPassphrase('correct horse battery staple'), ports));
    edit(from, to);
    expect(loadKeystore(withPassphrase('correct horse battery staple'))).toMatchObject({ reason: 'KEYSTORE_CORRUPT' });
  });
});

describe('a keystore on a token', () => {
  let token: MemoryToken;
  let place: Keystore;
  beforeEach(() => {
    token = new MemoryToken();
    place = { directory, master: new MasterKeyOfToken(token), token };
    unwrap(initialise(place, ports));
  });
  const idOf = (custodian: Custodian, kind: string): string =>
    unwrap(custodian.list()).find((slot) => slot.kind === kind && slot.state === 'active')?.id ?? '';

  test('keeps base derivation and signing keys there, and nothing of them in its folder', () => {
    expect(token.ids).toHaveLength(7);
    const blocks = readFileSync(join(directory, 'keys.json'), 'utf8').match(/"block"/g);
    // The KEK, the card reference key and the key of the record of derivation ids.
    expect(blocks).toHaveLength(3);
    expect(tokenSerialOf(directory)).toBe(token.serial);
  });

  test('does not open with another token, or with another key of the same name', () => {
    const other = new MemoryToken();
    expect(loadKeystore({ directory, master: new MasterKeyOfToken(other), token: other })).toMatchObject({
      reason: 'TOKEN_UNAVAILABLE',
    });
    const [id = ''] = [...token.derivationKeys.keys()];
    token.makeDerivationKey(id, 128);
    expect(loadKeystore(place)).toMatchObject({ reason: 'KEYSTORE_CORRUPT', detail: `${id}: check value` });
    token.destroy(id);
    expect(loadKeystore(place)).toMatchObject({ reason: 'KEYSTORE_CORRUPT' });
  });

  test('leaves no key on a token that gives out in the middle of a ceremony', () => {
    const dying = new MemoryToken();
    const makeSigningKey = dying.makeSigningKey.bind(dying);
    let calls = 0;
    dying.makeSigningKey = (id) => {
      calls += 1;
      if (calls === 3) throw new TokenError('full');
      return makeSigningKey(id);
    };
    const target = join(folder.path, 'other');
    const made = initialise({ directory: target, master: new MasterKeyOfToken(dying), token: dying }, ports);
    expect(made).toEqual({ ok: false, reason: 'TOKEN_UNAVAILABLE', detail: 'full' });
    expect(dying.ids).toEqual([]);
  });

  test('changes nothing while its token is away', () => {
    const custodian = unwrap(Custodian.open(place, ports));
    const before = readFileSync(join(directory, 'keys.json'));
    token.drawn = true;
    expect(custodian.generate({ kind: 'grant' }, 'alice')).toMatchObject({ reason: 'TOKEN_UNAVAILABLE' });
    expect(custodian.list()).toMatchObject({ reason: 'TOKEN_UNAVAILABLE' });
    expect(custodian.reload()).toMatchObject({ reason: 'TOKEN_UNAVAILABLE' });
    expect(readFileSync(join(directory, 'keys.json'))).toEqual(before);
    token.drawn = false;
    expect(custodian.generate({ kind: 'grant' }, 'alice').ok).toBe(true);
  });

  test('does not work on with a compromised key whose successors cannot be loaded yet', () => {
    const files = dyingAt(Number.POSITIVE_INFINITY, true);
    const drawnOnceWritten: FileSystem = {
      ...files,
      rename: (from, to) => {
        files.rename(from, to);
        token.drawn = true;
      },
    };
    const custodian = unwrap(Custodian.open(place, ports, drawnOnceWritten));
    const compromised = custodian.keys.deviceToken.keyId;
    expect(custodian.change(idOf(custodian, 'device-token'), 'compromised', 'alice').ok).toBe(false);
    expect(() => custodian.keys).toThrow(TokenError);
    token.drawn = false;
    expect(custodian.keys.deviceToken.keyId).not.toBe(compromised);
    // What was compromised is off the token, too.
    expect([...token.signingKeys.values()].map(({ keyId }) => keyId)).not.toContain(compromised);
  });
});
