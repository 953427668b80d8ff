import { expect, test } from '@jest/globals';
import { isEntry, KEY_ENTRIES } from '../../src/keys/custody.ts';
import { SLOT_KINDS, type SlotKind } from '../../src/keys/kind.ts';
import { SLOT_STATES } from '../../src/keys/state.ts';
import { isTolerance, KEY_BLOCK_TOLERANCES, TR34_TOLERANCES } from '../../src/keys/tolerance.ts';
import { drainingBdkOf } from '../../src/keys/use.ts';

const slot = (kind: SlotKind, state: (typeof SLOT_STATES)[number]) => ({
  id: 'a',
  kind,
  state,
  history: [],
  bdkId: '0A0B0C0D',
});

test('progress is told of base derivation keys that drain, and of nothing else', () => {
  const told = SLOT_KINDS.flatMap((kind) =>
    SLOT_STATES.flatMap((state) => {
      const bdk = drainingBdkOf(slot(kind, state));
      return bdk === null ? [] : [[kind, state, bdk.domain, bdk.bdkId]];
    }),
  );
  expect(told).toEqual([
    ['bdk-pin', 'draining', 'pin', '0A0B0C0D'],
    ['bdk-account-data', 'draining', 'account-data', '0A0B0C0D'],
  ]);
});

test('ways in and tolerances are known by their names alone', () => {
  expect(KEY_ENTRIES.every(isEntry)).toBe(true);
  expect([...KEY_BLOCK_TOLERANCES, ...TR34_TOLERANCES].every(isTolerance)).toBe(true);
  for (const text of ['', 'toString', 'NO_REVOCATION_LIST', 'KEY_BLOCK_MAC', 'OBSOLETE_VERSION']) {
    expect(isTolerance(text)).toBe(false);
    expect(isEntry(text)).toBe(false);
  }
});
