import { existsSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { Custodian } from '../../../src/vault/keystore/custodian.ts';
import { openKeystore } from '../../../src/vault/keystore/document.ts';
import { initialise } from '../../../src/vault/keystore/initialise.ts';
import { loadKeystore } from '../../../src/vault/keystore/load.ts';
import { MasterKeyOfPassphrase, MasterKeyOfToken, masterKeyInFile } from '../../../src/vault/keystore/master-key.ts';
import type { Keystore } from '../../../src/vault/keystore/place.ts';
import { renewKek, renewMasterKey, settleMasterKey } from '../../../src/vault/keystore/renewal.ts';
import { openSlot } from '../../../src/vault/keystore/slot.ts';
import { dyingAt, survives } from '../support/dying-files.ts';
import { clock, openZone, random, temporaryFolder, turn, unwrap } from '../support/keystore.ts';
import { MemoryToken } from '../support/memory-token.ts';

let folder: ReturnType<typeof temporaryFolder>;
let directory: string;
beforeEach(() => {
  folder = temporaryFolder();
  directory = join(folder.path, 'keys');
});
afterEach(() => folder.remove());

const ports = { random, clock };
const inFile = (): Keystore => ({ directory, master: masterKeyInFile, token: null });
const onToken = (token: MemoryToken): Keystore => ({ directory, master: new MasterKeyOfToken(token), token });
const passphrase = (text: string) => new MasterKeyOfPassphrase(new SecretBytes(Buffer.from(text)));
const under = (master: MasterKeyOfPassphrase): Keystore => ({ directory, master, token: null });

/** Everything that a keystore says of its keys but the KEK. */
const keysOf = (place: Keystore): string[] =>
  unwrap(openKeystore(place))
    .slots.filter(({ kind }) => kind !== 'kek')
    .map(({ id, state, kcv, history }) => `${id} ${state} ${kcv} ${JSON.stringify(history)}`);
const kekOf = (place: Keystore): string =>
  unwrap(openKeystore(place)).slots.find(({ kind, state }) => kind === 'kek' && state === 'active')?.kcv ?? '';
const files = (): string[] => readdirSync(directory).sort();
const FILES = ['audit-checkpoint.json', 'derivation-ids.json', 'keys.json', 'master.key'];

describe.each(['software', 'token'])('a new KEK of a vault: %s', (kind) => {
  let place: Keystore;
  beforeEach(() => {
    place = kind === 'token' ? onToken(new MemoryToken()) : inFile();
    unwrap(initialise(place, ports));
    openZone(place, 'acquirer-a');
  });

  test('changes no key, and no slot is left under the old one', () => {
    const [keys, before] = [keysOf(place), unwrap(openKeystore(place))];
    const { kekKcv } = unwrap(renewKek(place, turn));
    expect(keysOf(place)).toEqual(keys);
    expect(kekOf(place)).toBe(kekKcv);
    const { slots } = unwrap(openKeystore(place));
    const blocks = slots.filter(({ block }) => block !== undefined);
    expect(blocks.length).toBeGreaterThan(3);
    for (const slot of blocks) expect(openSlot(slot, before.kek).ok).toBe(false);
    const old = slots.filter((slot) => slot.kind === 'kek' && slot.state !== 'active');
    expect(old).toMatchObject([
      {
        state: 'destroyed',
        history: [
          { state: 'active', by: 'initialisation' },
          ...['draining', 'retired', 'destroyed'].map((state) => ({ state, by: 'tester' })),
        ],
      },
    ]);
    expect(old[0]).not.toHaveProperty('block');
    expect(loadKeystore(place).ok).toBe(true);
  });

  test('is taken by a running vault without a word, and the record of derivation ids stays readable', () => {
    const custodian = unwrap(Custodian.open(place, ports));
    unwrap(renewKek(place, turn));
    const { slot } = unwrap(custodian.generate({ kind: 'bdk-pin' }, 'alice'));
    unwrap(custodian.change(slot.id, 'active', 'alice'));
    unwrap(renewKek(place, turn));
    unwrap(custodian.reload());
    expect(custodian.keys.pinBdk.id.toString('hex').toUpperCase()).toBe(slot.bdkId);
    unwrap(Custodian.open(place, ports));
  });

  test('is made whole or not at all, at whatever call of the file system its process dies', () => {
    const counting = dyingAt(Number.POSITIVE_INFINITY, true);
    unwrap(renewKek(place, turn, counting));
    const keys = keysOf(place);
    const outcomes = new Set<boolean>();
    for (let call = 1; call <= counting.calls(); call += 1) {
      for (const done of [false, true]) {
        const before = kekOf(place);
        survives(() => renewKek(place, turn, dyingAt(call, done)));
        expect(loadKeystore(place).ok).toBe(true);
        expect(keysOf(place)).toEqual(keys);
        outcomes.add(kekOf(place) === before);
      }
    }
    expect(outcomes.size).toBe(2);
    unwrap(renewKek(place, turn));
    expect(files().filter((name) => !name.startsWith('master'))).toEqual(FILES.slice(0, 3));
  });
});

describe('a new master key', () => {
  test('in a file opens the same keys, and the old one opens nothing', () => {
    unwrap(initialise(inFile(), ports));
    const [keys, kek, old] = [keysOf(inFile()), kekOf(inFile()), readFileSync(join(directory, 'master.key'))];
    expect(unwrap(renewMasterKey(inFile(), masterKeyInFile, turn)).kekKcv).toBe(kek);
    expect(readFileSync(join(directory, 'master.key'))).not.toEqual(old);
    expect(keysOf(inFile())).toEqual(keys);
    expect(files()).toEqual(FILES);
  });

  test('from a passphrase in the place of another, of a file, and a file in its place', () => {
    unwrap(initialise(inFile(), ports));
    const keys = keysOf(inFile());
    const [one, other] = [passphrase('correct horse battery staple'), passphrase('another horse battery staple')];
    unwrap(renewMasterKey(inFile(), one, turn));
    expect(files()).toEqual([...FILES.slice(0, 3), 'master.json']);
    expect(keysOf(under(one))).toEqual(keys);
    expect(loadKeystore(inFile())).toMatchObject({ reason: 'KEYSTORE_MISSING' });
    unwrap(renewMasterKey(under(one), other, turn));
    expect(keysOf(under(other))).toEqual(keys);
    expect(loadKeystore(under(one))).toMatchObject({ reason: 'KEYSTORE_PASSPHRASE' });
    unwrap(renewMasterKey(under(other), masterKeyInFile, turn));
    expect(keysOf(inFile())).toEqual(keys);
    expect(files()).toEqual(FILES);
  });

  test('is refused to who has not the old one', () => {
    const one = passphrase('correct horse battery staple');
    unwrap(initialise(under(one), ports));
    const before = readFileSync(join(directory, 'keys.json'));
    const wrong = passphrase('wrong horse battery staple');
    expect(renewMasterKey(under(wrong), wrong, turn)).toMatchObject({ reason: 'KEYSTORE_PASSPHRASE' });
    expect(readFileSync(join(directory, 'keys.json'))).toEqual(before);
    expect(files()).toEqual([...FILES.slice(0, 3), 'master.json']);
  });

  test('of a token is derived from a new root key, and the old root key is destroyed', () => {
    const token = new MemoryToken();
    const place = onToken(token);
    unwrap(initialise(place, ports));
    const [keys, roots] = [keysOf(place), [...token.roots.keys()]];
    unwrap(renewMasterKey(place, place.master, turn));
    expect(keysOf(place)).toEqual(keys);
    expect(token.roots.size).toBe(1);
    expect([...token.roots.keys()]).not.toEqual(roots);
    unwrap(Custodian.open(place, ports));
    expect(token.roots.size).toBe(1);
  });

  test('of a token that is drawn changes nothing', () => {
    const token = new MemoryToken();
    const place = onToken(token);
    unwrap(initialise(place, ports));
    token.drawn = true;
    expect(renewMasterKey(place, place.master, turn)).toMatchObject({ reason: 'TOKEN_UNAVAILABLE' });
    token.drawn = false;
    expect(loadKeystore(place).ok).toBe(true);
  });

  test.each(['file', 'token'])('counts or does not, at whatever call its process dies: %s', (kind) => {
    const token = new MemoryToken();
    const place = kind === 'token' ? onToken(token) : inFile();
    unwrap(initialise(place, ports));
    const keys = keysOf(place);
    const counting = dyingAt(Number.POSITIVE_INFINITY, true);
    unwrap(renewMasterKey(place, place.master, turn, counting));
    const unsettled = new Set<string>();
    for (let call = 1; call <= counting.calls(); call += 1) {
      for (const done of [false, true]) {
        survives(() => renewMasterKey(place, place.master, turn, dyingAt(call, done)));
        expect(loadKeystore(place).ok).toBe(true);
        expect(keysOf(place)).toEqual(keys);
        unsettled.add(unwrap(openKeystore(place)).masterKeyPlace);
        // A vault that starts meanwhile puts the file in its place.
        if (call % 2 === 0) unwrap(Custodian.open(place, ports));
      }
    }
    expect([...unsettled].sort()).toEqual(['current', 'next']);
    unwrap(renewMasterKey(place, place.master, turn));
    expect(files().filter((name) => name.endsWith('.next'))).toEqual([]);
    expect(token.roots.size).toBe(kind === 'token' ? 1 : 0);
  });

  test("whose file was cut while it was written never counts, and is in nobody's way", () => {
    unwrap(initialise(inFile(), ports));
    survives(() => renewMasterKey(inFile(), masterKeyInFile, turn, dyingAt(9, false)));
    const next = join(directory, 'master.key.next');
    expect(existsSync(next)).toBe(true);
    truncateSync(next, 11);
    expect(loadKeystore(inFile()).ok).toBe(true);
    unwrap(settleMasterKey(inFile()));
    unwrap(renewMasterKey(inFile(), masterKeyInFile, turn));
    expect(files()).toEqual(FILES);
  });
});

test('a ceremony that fails midway leaves no root key on the token', () => {
  const token = new MemoryToken();
  token.makeSigningKey = () => {
    throw new Error('a bug');
  };
  expect(initialise(onToken(token), ports).ok).toBe(false);
  expect([token.roots.size, token.ids]).toEqual([0, []]);
});
