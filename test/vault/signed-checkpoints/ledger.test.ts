import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type Checkpoint,
  type CheckpointName,
  checkpointHash,
  decodeCheckpoint,
  encodeCheckpoint,
  NO_CHECKPOINT,
} from '../../../src/audit/checkpoint.ts';
import type { FileSystem } from '../../../src/vault/keystore/replace.ts';
import { CheckpointLedger } from '../../../src/vault/signed-checkpoints/ledger.ts';
import { RECORD_FILE } from '../../../src/vault/signed-checkpoints/record.ts';
import { takeUpLog } from '../../../src/vault/signed-checkpoints/take-up.ts';
import { dyingAt, survives } from '../support/dying-files.ts';
import { clock, NOW, turn, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';

let vault: VaultFixture;
beforeEach(() => {
  vault = vaultFixture();
});
afterEach(() => vault.remove());

const file = (): string => join(vault.directory, RECORD_FILE);
const ledgerOf = (files?: FileSystem): CheckpointLedger =>
  new CheckpointLedger(vault.directory, () => vault.keys, files);
const nameOf = (payload: Buffer): CheckpointName => ({
  number: unwrap(decodeCheckpoint(payload)).number,
  hash: checkpointHash(payload),
});
/** A checkpoint after another one, of a log that `mark` tells from others. */
const following = ({ number, hash }: CheckpointName, mark = 1): Buffer => {
  const checkpoint: Checkpoint = {
    number: number + 1n,
    previous: hash,
    at: NOW,
    entries: number + 1n,
    heads: [{ writer: '00000000-0000-4000-8000-000000000001', sequence: number + 1n, hash: Buffer.alloc(32, mark) }],
    takenUp: null,
  };
  return encodeCheckpoint(checkpoint);
};
/** A line of so many checkpoints. */
const line = (length: number, mark = 1, from: CheckpointName = NO_CHECKPOINT): Buffer[] => {
  const made: Buffer[] = [];
  for (let last = from; made.length < length; last = nameOf(made.at(-1)!)) made.push(following(last, mark));
  return made;
};
const taken = (ledger: CheckpointLedger, payload: Buffer): string => {
  const answer = ledger.take(payload);
  if (!answer.ok) return answer.reason;
  return answer.value.equals(payload) ? 'itself' : 'another';
};

describe('a line of checkpoints', () => {
  test('is signed one after the other, by one process and by the next', () => {
    const [one, two, three] = line(3) as [Buffer, Buffer, Buffer];
    const ledger = ledgerOf();
    expect([taken(ledger, one), taken(ledger, two), taken(ledgerOf(), three)]).toEqual(Array(3).fill('itself'));
  });

  test('is not begun anew: a log that was emptied is not signed', () => {
    const ledger = ledgerOf();
    for (const payload of line(3)) expect(taken(ledger, payload)).toBe('itself');
    for (const payload of line(4, 2)) expect(taken(ledgerOf(), payload)).toBe('AUDIT_LOG_REPLACED');
  });

  test('has one checkpoint of each number: another one in the place of the last is answered by the last', () => {
    const [one, two] = line(2) as [Buffer, Buffer];
    const ledger = ledgerOf();
    taken(ledger, one);
    taken(ledger, two);
    expect([taken(ledger, two), taken(ledgerOf(), two)]).toEqual(['itself', 'itself']);
    expect(unwrap(ledgerOf().take(following(nameOf(one), 2)))).toEqual(two);
    expect(taken(ledger, one)).toBe('AUDIT_LOG_REPLACED');
  });

  test('the last one again is written again by a process that has not written it, and by the same one only once', () => {
    const [one] = line(1) as [Buffer];
    const ledger = ledgerOf();
    taken(ledger, one);
    const written = readFileSync(file());
    expect(taken(ledger, one)).toBe('itself');
    expect(readFileSync(file())).toEqual(written);
    const next = ledgerOf();
    expect(taken(next, one)).toBe('itself');
    const rewritten = readFileSync(file());
    expect(rewritten).not.toEqual(written);
    expect([taken(next, one), readFileSync(file()).equals(rewritten)]).toEqual(['itself', true]);
  });

  test.each([
    ['the number after the next', (last: CheckpointName) => following({ ...last, number: last.number + 1n })],
    ['the next number after another one', (last: CheckpointName) => following({ ...last, hash: Buffer.alloc(32, 9) })],
    ['no checkpoint', () => Buffer.from('{}')],
  ])('does not go on with %s', (_what, next) => {
    const ledger = ledgerOf();
    const [one] = line(1) as [Buffer];
    taken(ledger, one);
    expect(taken(ledger, next(nameOf(one)))).toBe('AUDIT_LOG_REPLACED');
    expect(taken(ledger, following(nameOf(one)))).toBe('itself');
  });

  test('is one where two processes share a keystore', () => {
    const [one, other] = [ledgerOf(), ledgerOf()];
    const [first] = line(1) as [Buffer];
    expect([taken(one, first), taken(other, following(NO_CHECKPOINT, 2))]).toEqual(['itself', 'another']);
    expect([taken(other, following(nameOf(first), 3)), taken(one, following(nameOf(first), 4))]).toEqual([
      'itself',
      'another',
    ]);
  });
});

test('a process that dies at any call of the file system has answered nothing that a later one contradicts', () => {
  const counting = dyingAt(Number.POSITIVE_INFINITY, true);
  let last = nameOf(unwrap(ledgerOf(counting).take(following(NO_CHECKPOINT))));
  for (let call = 1; call <= counting.calls(); call += 1) {
    for (const done of [false, true]) {
      let answer: Buffer | null = null;
      survives(() => {
        const told = ledgerOf(dyingAt(call, done)).take(following(last, 1));
        answer = told.ok ? told.value : null;
      });
      const later = unwrap(ledgerOf().take(following(last, 2)));
      if (answer !== null) expect(later).toEqual(answer);
      last = nameOf(later);
    }
  }
});

describe('a record', () => {
  test.each<[string, () => void, string]>([
    ['that is gone', () => rmSync(file()), 'AUDIT_LOG_REPLACED'],
    [
      'that was edited',
      () => writeFileSync(file(), readFileSync(file(), 'utf8').replace('writes', 'Writes')),
      'VAULT_UNAVAILABLE',
    ],
    ['that others may read', () => writeFileSync(file(), '{}', { mode: 0o644 }), 'VAULT_UNAVAILABLE'],
    ['that an earlier one was put in the place of', () => copyFileSync(`${file()}.kept`, file()), 'VAULT_UNAVAILABLE'],
  ])('%s has nothing signed', (_what, spoil, reason) => {
    copyFileSync(file(), `${file()}.kept`);
    const ledger = ledgerOf();
    const [one, two] = line(2) as [Buffer, Buffer];
    taken(ledger, one);
    spoil();
    expect(taken(ledger, two)).toBe(reason);
  });
});

describe('a log that the security team takes up', () => {
  test('goes on from the checkpoint that they name, and from no other, and says so', () => {
    const ledger = ledgerOf();
    const [one, two, three] = line(3) as [Buffer, Buffer, Buffer];
    for (const payload of [one, two, three]) taken(ledger, payload);
    expect(taken(ledger, following(nameOf(one), 2))).toBe('AUDIT_LOG_REPLACED');
    expect(unwrap(takeUpLog(vault.directory, nameOf(one), { ...turn, by: 'ann' }))).toEqual(nameOf(three));
    expect(taken(ledger, following(nameOf(three)))).toBe('AUDIT_LOG_REPLACED');
    expect(taken(ledger, following(NO_CHECKPOINT, 2))).toBe('AUDIT_LOG_REPLACED');
    const signed = unwrap(ledger.take(following(nameOf(one), 2)));
    const { takenUp, ...rest } = unwrap(decodeCheckpoint(signed));
    expect(takenUp).toEqual({ last: nameOf(three), by: 'ann', at: clock.now() });
    expect(encodeCheckpoint({ ...rest, takenUp: null })).toEqual(following(nameOf(one), 2));
    expect(taken(ledger, following(nameOf(one), 3))).toBe('another');
    const next = unwrap(ledger.take(following(nameOf(signed), 2)));
    expect(unwrap(decodeCheckpoint(next)).takenUp).toBeNull();
  });

  test('may be empty, or be the first that a keystore without a record knows of', () => {
    rmSync(file());
    expect(unwrap(takeUpLog(vault.directory, NO_CHECKPOINT, turn)).number).toBe(0n);
    const signed = unwrap(ledgerOf().take(following(NO_CHECKPOINT)));
    expect(unwrap(decodeCheckpoint(signed)).takenUp).toMatchObject({ last: { number: 0n }, by: turn.by });
  });

  test('is not taken up where the record was edited', () => {
    writeFileSync(file(), '{}', { mode: 0o600 });
    expect(takeUpLog(vault.directory, NO_CHECKPOINT, turn)).toMatchObject({ reason: 'KEYSTORE_CORRUPT' });
  });
});
