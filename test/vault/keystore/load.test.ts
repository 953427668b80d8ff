import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Custodian } from '../../../src/vault/keystore/custodian.ts';
import { formatSlots, openKeystore } from '../../../src/vault/keystore/document.ts';
import type { KeystoreFault } from '../../../src/vault/keystore/fault.ts';
import { loadKeystore, reloadKeystore } from '../../../src/vault/keystore/load.ts';
import type { Slot } from '../../../src/vault/keystore/slot.ts';
import {
  ACQUIRER,
  clock,
  openZone,
  random,
  softwareKey,
  temporaryFolder,
  unwrap,
  type VaultFixture,
  vaultFixture,
} from '../support/keystore.ts';

let whole: VaultFixture;
let folder: ReturnType<typeof temporaryFolder>;
let directory: string;
beforeAll(() => {
  whole = vaultFixture();
});
afterAll(() => whole.remove());
beforeEach(() => {
  folder = temporaryFolder();
  directory = join(folder.path, 'keys');
  cpSync(whole.directory, directory, { recursive: true });
  chmodSync(directory, 0o700);
});
afterEach(() => folder.remove());

const file = (name: string): string => join(directory, name);

interface StoredSlots {
  readonly version: number;
  readonly generation: number;
  slots: Slot[];
  readonly mac: string;
}

const stored = (): StoredSlots => JSON.parse(readFileSync(file('keys.json'), 'utf8')) as StoredSlots;

function changed(document: StoredSlots, change: (slots: Slot[]) => unknown): StoredSlots {
  const slots = change(document.slots);
  return Array.isArray(slots) ? { ...document, slots } : document;
}

/** Changes the slots' file as an editor would. */
function editPlainly(change: (slots: Slot[]) => unknown): void {
  writeFileSync(file('keys.json'), JSON.stringify(changed(stored(), change)));
}

/** Changes the slots' file as somebody would who has the KEK: what a slot's own block binds is found all the same. */
function edit(change: (slots: Slot[]) => unknown): void {
  const { kek } = unwrap(openKeystore(directory));
  const sealed = formatSlots(changed(stored(), change), kek);
  if (sealed.ok) writeFileSync(file('keys.json'), sealed.value);
  else editPlainly(change);
}
const slotOf = (slots: Slot[], kind: string): Slot => {
  const slot = slots.find((candidate) => candidate.kind === kind);
  if (slot === undefined) throw new Error(kind);
  return slot;
};

test('a keystore that nobody touched loads', () => {
  const keys = unwrap(loadKeystore(directory));
  expect([...keys.zones.keys()]).toEqual([ACQUIRER]);
  expect(keys.zones.get(ACQUIRER)?.pin.key.equals(whole.zone.pin)).toBe(true);
  expect(keys.zones.get(ACQUIRER)?.data.key.equals(whole.zone.data)).toBe(true);
});

const REFUSALS: readonly [string, KeystoreFault, () => void][] = [
  ['no folder', 'KEYSTORE_MISSING', () => rmSync(directory, { recursive: true })],
  ['no master key', 'KEYSTORE_MISSING', () => rmSync(file('master.key'))],
  ['no slots', 'KEYSTORE_MISSING', () => rmSync(file('keys.json'))],
  ['a folder that the group may list', 'KEYSTORE_MODE', () => chmodSync(directory, 0o750)],
  ['a folder that others may enter', 'KEYSTORE_MODE', () => chmodSync(directory, 0o701)],
  ['a master key that the group may read', 'KEYSTORE_MODE', () => chmodSync(file('master.key'), 0o640)],
  ['a master key that others may read', 'KEYSTORE_MODE', () => chmodSync(file('master.key'), 0o604)],
  ['slots that others may write', 'KEYSTORE_MODE', () => chmodSync(file('keys.json'), 0o602)],
  [
    'a master key behind a link',
    'KEYSTORE_CORRUPT',
    () => {
      renameSync(file('master.key'), join(folder.path, 'elsewhere'));
      symlinkSync(join(folder.path, 'elsewhere'), file('master.key'));
    },
  ],
  [
    'a folder in the place of the slots',
    'KEYSTORE_CORRUPT',
    () => {
      rmSync(file('keys.json'));
      mkdirSync(file('keys.json'), { mode: 0o700 });
    },
  ],
  [
    'a file in the place of the folder',
    'KEYSTORE_CORRUPT',
    () => {
      rmSync(directory, { recursive: true });
      writeFileSync(directory, '', { mode: 0o600 });
    },
  ],
  ['a shorter master key', 'KEYSTORE_CORRUPT', () => truncateSync(file('master.key'), 31)],
  ['an empty master key', 'KEYSTORE_CORRUPT', () => truncateSync(file('master.key'), 0)],
  ['a longer master key', 'KEYSTORE_CORRUPT', () => writeFileSync(file('master.key'), Buffer.alloc(33))],
  ['another master key', 'KEYSTORE_CORRUPT', () => writeFileSync(file('master.key'), Buffer.alloc(32, 1))],
  ['empty slots', 'KEYSTORE_CORRUPT', () => truncateSync(file('keys.json'), 0)],
  ['slots that were cut', 'KEYSTORE_CORRUPT', () => truncateSync(file('keys.json'), 2000)],
  ['slots of another version', 'KEYSTORE_CORRUPT', () => writeFileSync(file('keys.json'), '{"version":4,"slots":[]}')],
  ['a member that nobody knows', 'KEYSTORE_CORRUPT', () => edit((slots) => Object.assign(slots[0] ?? {}, { x: 1 }))],
  ['slots of a size that none has', 'KEYSTORE_CORRUPT', () => truncateSync(file('keys.json'), 17 * 1024 * 1024)],
  [
    'one changed digit of a key block',
    'KEYSTORE_CORRUPT',
    () =>
      edit((slots) => {
        const slot = slotOf(slots, 'bdk-pin');
        const { block = '' } = slot;
        slot.block = block.slice(0, -1).concat(block.endsWith('0') ? '1' : '0');
      }),
  ],
  [
    'a check value that differs',
    'KEYSTORE_CORRUPT',
    () => edit((slots) => Object.assign(slotOf(slots, 'bdk-pin'), { kcv: '0000000000' })),
  ],
  [
    "a signing key's check value that differs",
    'KEYSTORE_CORRUPT',
    () => edit((slots) => Object.assign(slotOf(slots, 'receipt'), { kcv: '0000000000' })),
  ],
  [
    'two slots whose keys were exchanged',
    'KEYSTORE_CORRUPT',
    () =>
      edit((slots) => {
        const [a, b] = [slotOf(slots, 'receipt'), slotOf(slots, 'device-token')];
        [a.block, b.block, a.kcv, b.kcv] = [b.block, a.block, b.kcv, a.kcv];
      }),
  ],
  [
    'another BDK id',
    'KEYSTORE_CORRUPT',
    () => edit((slots) => Object.assign(slotOf(slots, 'bdk-pin'), { bdkId: '00000000' })),
  ],
  [
    "another acquirer's name on a zone key",
    'KEYSTORE_CORRUPT',
    () => edit((slots) => Object.assign(slotOf(slots, 'zone-pin'), { acquirer: 'acquirer-b' })),
  ],
  [
    'a slot under another name',
    'KEYSTORE_CORRUPT',
    () => edit((slots) => Object.assign(slotOf(slots, 'zone-data'), { id: 'zone-data-1' })),
  ],
  [
    'an active key that was retired in the file alone',
    'KEYSTORE_CORRUPT',
    () => edit((slots) => Object.assign(slotOf(slots, 'receipt'), { state: 'retired' })),
  ],
  [
    'a KEK that was retired in the file alone',
    'KEYSTORE_INCOMPLETE',
    () => edit((slots) => Object.assign(slotOf(slots, 'kek'), { state: 'retired' })),
  ],
  ['a slot that is there twice', 'KEYSTORE_CORRUPT', () => edit((slots) => [...slots, slotOf(slots, 'receipt')])],
  [
    'an endorsement of another key',
    'KEYSTORE_CORRUPT',
    () =>
      edit((slots) => {
        const other = vaultFixture();
        const theirs = JSON.parse(readFileSync(join(other.directory, 'keys.json'), 'utf8')) as { slots: Slot[] };
        slotOf(slots, 'grant').endorsement = slotOf(theirs.slots, 'grant').endorsement;
        other.remove();
      }),
  ],
  [
    'an acquirer on a key that belongs to none',
    'KEYSTORE_CORRUPT',
    () => edit((slots) => Object.assign(slotOf(slots, 'receipt'), { acquirer: ACQUIRER })),
  ],
  ...(
    ['bdk-pin', 'bdk-account-data', 'anchor', 'device-token', 'receipt', 'grant', 'card-reference', 'kek'] as const
  ).map((kind): [string, KeystoreFault, () => void] => [
    `no ${kind}`,
    'KEYSTORE_INCOMPLETE',
    () => edit((slots) => slots.filter((slot) => slot.kind !== kind)),
  ]),
];

test('an acquirer that lacks a zone key is not served, and the others are', () => {
  openZone(directory, 'acquirer-b');
  edit((slots) => slots.filter((slot) => slot.kind !== 'zone-data' || slot.acquirer !== ACQUIRER));
  expect([...unwrap(loadKeystore(directory)).zones.keys()]).toEqual(['acquirer-b']);
});

describe('a keystore is refused with', () => {
  test.each(REFUSALS)('%s: %s', (_, fault, damage) => {
    damage();
    expect(loadKeystore(directory)).toMatchObject({ ok: false, reason: fault });
  });

  test("a slot of another vault's keystore", () => {
    const other = vaultFixture();
    copyFileSync(join(other.directory, 'keys.json'), file('keys.json'));
    other.remove();
    expect(loadKeystore(directory)).toMatchObject({ ok: false, reason: 'KEYSTORE_CORRUPT' });
  });

  const asRoot = process.geteuid?.() === 0 ? test : test.skip;
  asRoot.each(['master.key', 'keys.json', '.'])('another owner of %s', (name) => {
    chownSync(file(name), 65_534, 65_534);
    expect(loadKeystore(directory)).toMatchObject({ ok: false, reason: 'KEYSTORE_OWNER' });
  });

  test('every fault, and never with a new key in the place of the old', () => {
    for (const [, , damage] of REFUSALS.slice(1, 3)) {
      damage();
      loadKeystore(directory);
      expect(() => readFileSync(file('master.key'))).toThrow();
    }
  });
});

describe('slots are bound to one another: without the KEK nobody', () => {
  const refused = { ok: false, reason: 'KEYSTORE_CORRUPT', detail: 'keys.json: MAC' };

  test('puts earlier slots back under a later generation', () => {
    const before = stored();
    const custodian = unwrap(Custodian.open(directory, { random, clock }));
    unwrap(custodian.change(slotOf(before.slots, 'receipt').id, 'compromised', 'tester'));
    const { generation } = stored();
    writeFileSync(file('keys.json'), JSON.stringify({ ...before, generation }));
    expect(loadKeystore(directory)).toMatchObject(refused);
  });

  test('takes a slot out', () => {
    editPlainly((slots) => slots.filter(({ kind }) => kind !== 'zone-data'));
    expect(loadKeystore(directory)).toMatchObject(refused);
  });

  test('changes their order, or the generation', () => {
    editPlainly((slots) => slots.toReversed());
    expect(loadKeystore(directory)).toMatchObject(refused);
    editPlainly((slots) => slots.toReversed());
    expect(loadKeystore(directory).ok).toBe(true);
    const document = stored();
    writeFileSync(file('keys.json'), JSON.stringify({ ...document, generation: document.generation + 1 }));
    expect(loadKeystore(directory)).toMatchObject(refused);
  });

  test('goes back to a file of a version that did not bind them', () => {
    const { slots, generation } = stored();
    for (const earlier of [
      { version: 1, slots },
      { version: 2, slots, generation },
    ]) {
      writeFileSync(file('keys.json'), JSON.stringify(earlier));
      const detail = expect.stringContaining(`version ${earlier.version}`);
      expect(loadKeystore(directory)).toMatchObject({ ok: false, reason: 'KEYSTORE_CORRUPT', detail });
    }
  });
});

describe('a reload', () => {
  test('refuses a file that is older than the keys in use', () => {
    const before = readFileSync(file('keys.json'));
    const custodian = unwrap(Custodian.open(directory, { random, clock }));
    const [receipt] = unwrap(custodian.list()).filter(({ kind }) => kind === 'receipt');
    unwrap(custodian.change(receipt?.id ?? '', 'compromised', 'tester'));
    const { keyId } = custodian.keys.receipt;
    writeFileSync(file('keys.json'), before);
    const detail = expect.stringContaining('older');
    expect(custodian.reload()).toMatchObject({ ok: false, reason: 'KEYSTORE_CORRUPT', detail });
    expect(custodian.keys.receipt.keyId).toBe(keyId);
  });

  test('takes new zones and wipes the keys before', () => {
    const before = unwrap(loadKeystore(directory));
    openZone(directory, 'acquirer-b');
    const after = unwrap(reloadKeystore(directory, before));
    expect([...after.zones.keys()].sort()).toEqual([ACQUIRER, 'acquirer-b']);
    expect(() => softwareKey(before.pinBdk).keyObject).toThrow('wiped');
  });

  test('that is refused leaves the keys in use', () => {
    const before = unwrap(loadKeystore(directory));
    truncateSync(file('keys.json'), 100);
    expect(reloadKeystore(directory, before)).toMatchObject({ ok: false, reason: 'KEYSTORE_CORRUPT' });
    expect(before.pinBdk.key.encipher(Buffer.alloc(16))).toHaveLength(16);
  });
});
