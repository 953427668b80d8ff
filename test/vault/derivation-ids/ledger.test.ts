import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { InitialKeyId } from '../../../src/payment-crypto/ksn.ts';
import { DerivationLedger } from '../../../src/vault/derivation-ids/ledger.ts';
import { BLOCK_IDS, WINDOW_BLOCKS } from '../../../src/vault/derivation-ids/opened-blocks.ts';
import { formatRecord, readRecord } from '../../../src/vault/derivation-ids/record.ts';
import type { VaultKeys } from '../../../src/vault/keys.ts';
import { Custodian } from '../../../src/vault/keystore/custodian.ts';
import type { FileSystem } from '../../../src/vault/keystore/replace.ts';
import { dyingAt, survives } from '../support/dying-files.ts';
import { clock, openZone, random, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';

let vault: VaultFixture;
beforeEach(() => {
  vault = vaultFixture();
});
afterEach(() => vault.remove());

const FILE = 'derivation-ids.json';
const file = (): string => join(vault.directory, FILE);
const ledgerOf = (files?: FileSystem): DerivationLedger =>
  unwrap(DerivationLedger.open(vault.directory, () => vault.keys, files));
const idOf = (derivationId: number, bdk = vault.keys.pinBdk.id): InitialKeyId => {
  const bytes = Buffer.alloc(8);
  bdk.copy(bytes);
  bytes.writeUInt32BE(derivationId, 4);
  return unwrap(InitialKeyId.parse(bytes));
};
const take = (ledger: DerivationLedger, ...derivationIds: number[]): string => {
  const claimed = ledger.claim(derivationIds.map((id) => idOf(id)));
  return claimed.ok ? 'taken' : claimed.reason;
};

describe('a derivation id', () => {
  test('is given out once', () => {
    const ledger = ledgerOf();
    expect([take(ledger, 7), take(ledger, 8), take(ledger, 7)]).toEqual(['taken', 'taken', 'DERIVATION_ID_USED']);
  });

  test('of one base derivation key says nothing of the same number of another', () => {
    const ledger = ledgerOf();
    expect(take(ledger, 7)).toBe('taken');
    expect(ledger.claim([idOf(7, vault.keys.accountDataBdk.id)]).ok).toBe(true);
  });

  test('is not given out together with one that was, and is left for later', () => {
    const ledger = ledgerOf();
    take(ledger, 7);
    expect(take(ledger, 8, 7)).toBe('DERIVATION_ID_USED');
    expect(take(ledger, 7, 8)).toBe('DERIVATION_ID_USED');
    expect(take(ledger, 8)).toBe('taken');
  });

  test('of a block that an earlier run had opened is not given out, be it used or not', () => {
    expect(take(ledgerOf(), 3)).toBe('taken');
    const after = ledgerOf();
    expect([0, 3, BLOCK_IDS - 1].map((id) => take(after, id))).toEqual(Array(3).fill('DERIVATION_ID_USED'));
    expect(take(after, BLOCK_IDS)).toBe('taken');
  });

  test('of a range that another replica leased meanwhile does not close the one before', () => {
    const ledger = ledgerOf();
    expect([take(ledger, 64), take(ledger, 0), take(ledger, 65), take(ledger, 1)]).toEqual(Array(4).fill('taken'));
  });

  test('below the window is not given out', () => {
    const ledger = ledgerOf();
    expect(take(ledger, WINDOW_BLOCKS * BLOCK_IDS)).toBe('taken');
    expect([take(ledger, 63), take(ledger, 64)]).toEqual(['DERIVATION_ID_USED', 'taken']);
  });

  test('is the last one, too', () => {
    const ledger = ledgerOf();
    expect([take(ledger, 2 ** 32 - 1), take(ledger, 2 ** 32 - 1)]).toEqual(['taken', 'DERIVATION_ID_USED']);
  });

  test('of a block that is one too many to be kept open is given up', () => {
    const ledger = ledgerOf();
    for (let block = 0; block <= 256; block += 1) expect(take(ledger, block * BLOCK_IDS)).toBe('taken');
    expect([take(ledger, 1), take(ledger, BLOCK_IDS + 1)]).toEqual(['DERIVATION_ID_USED', 'taken']);
  });
});

test('one write of the record serves a whole block', () => {
  const counting = dyingAt(Number.POSITIVE_INFINITY, true);
  ledgerOf();
  const ledger = ledgerOf(counting);
  take(ledger, 0);
  const forOne = counting.calls();
  for (let id = 1; id < BLOCK_IDS; id += 1) expect(take(ledger, id)).toBe('taken');
  expect(counting.calls()).toBe(forOne);
  take(ledger, BLOCK_IDS);
  expect(counting.calls()).toBe(2 * forOne);
});

describe('two processes on one keystore', () => {
  test('never give out the same id', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2), fc.nat(6 * BLOCK_IDS), fc.boolean()), { minLength: 1, maxLength: 60 }),
        (steps) => {
          const fresh = vaultFixture();
          try {
            const open = () => unwrap(DerivationLedger.open(fresh.directory, () => fresh.keys));
            const ledgers = [open(), open(), open()];
            const given: number[] = [];
            for (const [which, id, restarts] of steps) {
              if (restarts) ledgers[which] = open();
              if (ledgers[which]!.claim([idOf(id, fresh.keys.pinBdk.id)]).ok) given.push(id);
            }
            expect(new Set(given).size).toBe(given.length);
          } finally {
            fresh.remove();
          }
        },
      ),
      { seed: 13, numRuns: 20 },
    );
  });
});

test('a process that dies at any call of the file system has given out no id that a later one gives out', () => {
  ledgerOf();
  const counting = dyingAt(Number.POSITIVE_INFINITY, true);
  take(ledgerOf(counting), 0);
  let block = 1;
  for (let call = 1; call <= counting.calls(); call += 1) {
    for (const done of [false, true]) {
      const id = block++ * BLOCK_IDS;
      let answer = '';
      const ledger = ledgerOf(dyingAt(call, done));
      survives(() => {
        answer = take(ledger, id);
      });
      const later = take(ledgerOf(), id);
      if (answer === 'taken') expect(later).toBe('DERIVATION_ID_USED');
      expect(take(ledgerOf(), id)).toBe('DERIVATION_ID_USED');
    }
  }
  expect(block).toBeGreaterThan(20);
  expect(readdirSync(vault.directory).sort()).toEqual(['audit-checkpoint.json', FILE, 'keys.json', 'master.key']);
});

describe('the record', () => {
  const load = () => Custodian.open(vault.directory, { random, clock });

  test('that is missing refuses the keystore: it is not taken for the empty one', () => {
    rmSync(file());
    expect(load()).toEqual({ ok: false, reason: 'KEYSTORE_MISSING', detail: FILE });
  });

  test.each<[string, (text: string) => string]>([
    ['cut', (text) => text.slice(0, 40)],
    ['edited', (text) => text.replace('\\"generation\\":3', '\\"generation\\":2')],
    ['with another MAC', (text) => text.replace(/"mac":"../, '"mac":"__')],
    ['without a MAC', (text) => JSON.stringify({ content: JSON.parse(text).content })],
    ['with a member that nobody knows', (text) => JSON.stringify({ ...JSON.parse(text), x: 1 })],
  ])('%s refuses the keystore', (_what, edit) => {
    const text = readFileSync(file(), 'utf8');
    expect(edit(text)).not.toBe(text);
    writeFileSync(file(), edit(text));
    expect(load()).toMatchObject({ ok: false, reason: 'KEYSTORE_CORRUPT' });
  });

  test('of another keystore refuses it', () => {
    const other = vaultFixture();
    copyFileSync(join(other.directory, FILE), file());
    other.remove();
    expect(load()).toEqual({ ok: false, reason: 'KEYSTORE_CORRUPT', detail: `${FILE}: MAC` });
  });

  test('tells slots that were put back to an earlier state', () => {
    const before = readFileSync(join(vault.directory, 'keys.json'));
    openZone(vault.directory, 'acquirer-b');
    unwrap(load());
    writeFileSync(join(vault.directory, 'keys.json'), before);
    expect(load()).toEqual({ ok: false, reason: 'KEYSTORE_CORRUPT', detail: `keys.json: older than ${FILE}` });
  });

  test('that was put back under a running vault is mended from its memory', () => {
    const ledger = ledgerOf();
    const before = readFileSync(file());
    take(ledger, 0);
    take(ledger, 64);
    writeFileSync(file(), before);
    expect(ledger.claim([idOf(128)])).toEqual({
      ok: false,
      reason: 'VAULT_UNAVAILABLE',
      detail: `KEYSTORE_CORRUPT ${FILE}: an earlier one was put back; mended`,
    });
    expect(take(ledger, 128)).toBe('taken');
    const after = ledgerOf();
    expect([take(after, 1), take(after, 65), take(after, 129)]).toEqual(Array(3).fill('DERIVATION_ID_USED'));
  });

  test('that is gone under a running vault ends its offers, but for blocks that are open', () => {
    const ledger = ledgerOf();
    take(ledger, 0);
    rmSync(file());
    expect([take(ledger, 1), take(ledger, 64)]).toEqual(['taken', 'VAULT_UNAVAILABLE']);
  });

  test('forgets base derivation keys that give no more initial keys', () => {
    const record = () => unwrap(readRecord(vault.directory, vault.keys.derivationLedger)).opened;
    const first = vault.keys.pinBdk.id.toString('hex').toUpperCase();
    unwrap(vault.custodian.ledger.claim([idOf(0)]));
    const { slot } = unwrap(vault.custodian.generate({ kind: 'bdk-pin' }, 'alice'));
    unwrap(vault.custodian.change(slot.id, 'active', 'alice'));
    unwrap(vault.custodian.ledger.claim([idOf(0)]));
    expect([...record().keys()].sort()).toEqual([first, slot.bdkId].sort());
    const draining = unwrap(vault.custodian.list()).find(({ bdkId }) => bdkId === first)!;
    unwrap(vault.custodian.change(draining.id, 'retired', 'alice'));
    unwrap(vault.custodian.ledger.claim([idOf(64)]));
    expect([...record().keys()]).toEqual([slot.bdkId]);
  });

  test.each<[string, object]>([
    ['no writes', { writes: 0 }],
    ['no generation', { generation: 0 }],
    ['a window without its highest block', { opened: new Map([['0A0A0A0A', { highest: 3, window: 2n }]]) }],
    ['a name that is no BDK id', { opened: new Map([['0a0a0a0a', { highest: 3, window: 1n }]]) }],
    [
      'too many keys',
      {
        opened: new Map(
          Array.from({ length: 65 }, (_, at) => [
            `0A0A0A${(at + 16).toString(16).toUpperCase()}`,
            { highest: 0, window: 1n },
          ]),
        ),
      },
    ],
  ])('with %s is refused, though its MAC holds', (_what, over) => {
    const keys: VaultKeys = vault.keys;
    const record = { writes: 1, generation: 1, opened: new Map(), ...over };
    writeFileSync(file(), formatRecord(record, keys.derivationLedger));
    expect(readRecord(vault.directory, keys.derivationLedger)).toMatchObject({ ok: false, reason: 'KEYSTORE_CORRUPT' });
  });
});
