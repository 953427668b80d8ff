import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { checkpointHash, encodeCheckpoint, nextCheckpoint } from '../../../src/audit/checkpoint.ts';
import { chainAfter, genesis, type WriterHead } from '../../../src/audit/entry.ts';
import { readLog, verifyLog } from '../../../src/audit/reading.ts';
import { SeenStanding } from '../../../src/audit/standing.ts';
import type { KnownOutside } from '../../../src/audit/verification.ts';
import { AuditSequencer } from '../../../src/jobs/audit/sequencer.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import type { Retry } from '../../../src/store/sql/engine/transaction.ts';
import { auditKey, verification } from '../../audit/support.ts';
import { START } from '../../support/clock.ts';
import { addGrant, decisionOf, enrolPhone, uniqueId } from '../../support/enrolled.ts';
import { SeededRandom } from '../../support/random.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';

const random = new SeededRandom('audit');
const logger = pino({ level: 'silent' });
const clock = { now: () => new Date() };
const retry: Retry = {
  attempts: 50,
  firstDelayMilliseconds: 1,
  longestDelayMilliseconds: 20,
  random,
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/** Every table that the log is made of, and those that it stands for. */
const TABLES = [
  'audit_entry',
  'audit_checkpoint',
  'audit_writer',
  'audit_duty',
  'published_key',
  'key_slot_change',
  'payment_outcome',
];

onEachDatabase('the audit log', (openDatabase) => {
  let opened: TestDatabase;
  let pool: SqlPool;
  let stores: ReturnType<typeof sqlStores>;
  let audit = auditKey();

  beforeAll(async () => {
    opened = await openDatabase();
    pool = new SqlPool({ address: opened.address, applicationName: 'audit test' });
    stores = sqlStores(pool, logger, retry);
  }, 60_000);
  afterAll(async () => {
    await pool.close();
    await opened.dispose();
  });
  beforeEach(async () => {
    audit = auditKey();
    for (const table of [...TABLES, 'decision', 'child_grant', 'transaction_grant']) {
      await pool.query(`DELETE FROM ${table}`, []);
    }
    // What other tests have left is of no concern here.
    for (const table of ['invite', 'device_change', 'appraisal']) {
      await pool.query(`UPDATE ${table} SET chained_by = NULL`, []);
    }
    await pool.query('UPDATE invite SET closing_chained_by = NULL', []);
    await stores.keyHistory.note([audit.seen], [], START);
  });

  const sequencer = (checkpointSeconds = 3600) =>
    new AuditSequencer({
      log: stores.auditLog,
      signer: audit.signer,
      standing: new SeenStanding(clock, { forEntry: 30, forCheckpoint: 40 }),
      clock,
      timer: { after: () => () => {} },
      random: { bytes: (length) => random.bytes(length) },
      pace: { pollMilliseconds: 1, checkpointSeconds, dutySeconds: 10 },
      onCheckpoint: () => {},
      onFailure: (error) => {
        throw error;
      },
      onUnsigned: (reason) => {
        throw new Error(reason);
      },
    });

  /** Chains and signs what there is, as a replica that starts and stops. */
  const carryOn = async (): Promise<void> => {
    const replica = sequencer();
    await replica.start();
    await replica.stop();
  };

  const decide = async (): Promise<string> => {
    const decision = decisionOf(await addGrant(stores, await enrolPhone(stores)));
    expect(await stores.decisions.commit(decision)).toBe(true);
    return decision.grantId;
  };

  const verify = (known: Partial<KnownOutside> = {}) =>
    verifyLog(readLog(stores.auditReader, stores.keyHistory), verification(known));

  const codes = async (known: Partial<KnownOutside> = {}): Promise<readonly string[]> => [
    ...new Set((await verify(known)).findings.map(({ code }) => code)),
  ];

  const sql = (text: string, ...values: readonly (string | bigint | Buffer)[]) => pool.query(text, values);

  test('chains every row once, signs the chains, and verifies', async () => {
    await decide();
    await carryOn();
    await decide();
    await carryOn();
    const report = await verify();
    expect(report).toMatchObject({ findings: [], writers: 2, unsigned: 0n, onFirstUse: true, checkpoints: 2n });
    const { rows } = await pool.query<{ rows: bigint; different: bigint }>(
      'SELECT COUNT(*) AS rows, COUNT(DISTINCT (source, subject)) AS different FROM audit_entry',
      [],
    );
    expect(rows[0]).toEqual({ rows: report.entries, different: report.entries });
    expect(await stores.auditLog.unchained(10)).toEqual([]);
    expect(await stores.auditLog.oldestUnchained()).toBeNull();
  });

  test('verifies with the pinned audit key, and with no other', async () => {
    await decide();
    await carryOn();
    expect(await codes({ auditKeys: new Set([audit.key.thumbprint]) })).toEqual([]);
    expect(await codes({ auditKeys: new Set([auditKey().key.thumbprint]) })).toContain('CHECKPOINT_FORGED');
  });

  test('two replicas that both believe to have the duty chain each row once', async () => {
    const [one, other] = [sequencer(), sequencer()];
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([decide(), decide(), decide()]);
      await pool.query('DELETE FROM audit_duty', []);
      await Promise.allSettled([one.start(), other.start()]);
    }
    await carryOn();
    expect(await verify()).toMatchObject({ findings: [], unsigned: 0n });
    expect(await stores.auditLog.unchained(10)).toEqual([]);
  }, 60_000);

  test('a head that has moved chains nothing', async () => {
    await decide();
    const writer = uniqueId();
    const head = await stores.auditLog.open(writer, START);
    const rows = await stores.auditLog.unchained(10);
    const moved = await stores.auditLog.chain(head, rows.slice(0, 1), START);
    expect(moved?.sequence).toBe(1n);
    expect(await stores.auditLog.chain(head, rows, START)).toBeNull();
    expect(await stores.auditLog.open(writer, START)).toEqual(moved);
  });

  test('a row whose marker was taken away is not chained twice', async () => {
    const grant = await decide();
    await carryOn();
    await sql('UPDATE decision SET chained_by = NULL WHERE grant_id = $1', grant);
    await decide();
    await carryOn();
    expect(await codes()).toEqual([]);
    expect(await stores.auditLog.unchained(10)).toEqual([]);
  });

  test('a device that is forgotten leaves a whole log', async () => {
    const { deviceId } = await enrolPhone(stores);
    const at = secondsAfter(START, 5);
    const move = (to: 'revoked' | 'forgotten') =>
      stores.standings.move(deviceId, () => ({
        ok: true,
        value: { to, by: 'ann', cause: 'stolen', at, revocation: to === 'revoked' ? 'DEVICE_REVOKED' : null },
      }));
    await move('revoked');
    await carryOn();
    await move('forgotten');
    await carryOn();
    const report = await verify();
    expect(report.findings).toEqual([]);
    expect(report.erased).toBeGreaterThanOrEqual(2n);
  });

  test('an appraisal that was emptied although its device is not forgotten is a change', async () => {
    const { deviceId } = await enrolPhone(stores);
    await carryOn();
    await sql("UPDATE appraisal SET facts = '{}'::JSONB WHERE device_id = $1", deviceId);
    expect(await codes()).toEqual(['ROW_CHANGED']);
  });

  test('entries of one checkpoint are found by it', async () => {
    const grant = await decide();
    const name = { source: 'decision/1', subject: grant };
    expect(await stores.auditReader.entryOf(name)).toBeNull();
    await carryOn();
    await decide();
    await carryOn();
    const logged = await stores.auditReader.entryOf(name);
    expect(logged?.content?.kept).toMatchObject({ outcome: expect.any(String), amount_minor: '1250' });
    const [first] = await stores.auditReader.checkpoints(0n, 1);
    expect(logged && (await stores.auditReader.checkpointOver(logged.entry))).toEqual({
      number: 1n,
      hash: first && checkpointHash(first.payload),
    });
  });

  describe('whose database was tampered with', () => {
    let grant = '';
    let writer = '';
    beforeEach(async () => {
      for (let n = 0; n < 4; n += 1) grant = await decide();
      await carryOn();
      await decide();
      await carryOn();
      const entry = await stores.auditReader.entryOf({ source: 'decision/1', subject: grant });
      writer = entry?.entry.writer ?? '';
      expect((await verify()).findings).toEqual([]);
    });

    /** Makes the chain of a writer anew after something was done to it, as whoever owns the database can. */
    const chainAnew = async (): Promise<WriterHead> => {
      const entries = await stores.auditReader.entries(writer, 0n, 10_000n, 10_000);
      await sql('DELETE FROM audit_entry WHERE writer = $1', writer);
      let head = genesis(writer);
      for (const { entry, content } of entries) {
        const [made] = chainAfter(
          head,
          [{ ...entry, content: content ?? { kept: {}, erasable: null } }],
          entry.chainedAt,
        );
        if (made === undefined) throw new Error('nothing is chained');
        await pool.query(
          `INSERT INTO audit_entry (writer, sequence, source, subject, chained_at, kept_hash, erasable_hash, hash)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
          [
            writer,
            made.sequence,
            made.source,
            made.subject,
            made.chainedAt,
            made.keptHash,
            made.erasableHash,
            made.hash,
          ],
        );
        head = { writer, sequence: made.sequence, hash: made.hash };
      }
      await sql('UPDATE audit_writer SET sequence = $2, hash = $3 WHERE id = $1', writer, head.sequence, head.hash);
      return head;
    };

    test.each([
      [
        'a decision whose amount was changed',
        `UPDATE decision SET amount_minor = 1 WHERE grant_id = $1`,
        ['ROW_CHANGED'],
      ],
      [
        'a decision whose receipt was changed',
        `UPDATE decision SET receipt = 'e' WHERE grant_id = $1`,
        ['ROW_CHANGED'],
      ],
      ['a decision that was removed', 'DELETE FROM decision WHERE grant_id = $1', ['ROW_REMOVED']],
      ['a grant that was exchanged', `UPDATE transaction_grant SET payload = '\\x00' WHERE id = $1`, ['ROW_CHANGED']],
      [
        'an entry whose content hash was changed',
        "UPDATE audit_entry SET kept_hash = hash WHERE subject = $1 AND source = 'decision/1'",
        ['ENTRY_CHANGED', 'ROW_CHANGED'],
      ],
      [
        'an entry whose time was changed',
        "UPDATE audit_entry SET chained_at = chained_at + INTERVAL '1 hour' WHERE subject = $1 AND source = 'decision/1'",
        ['ENTRY_CHANGED'],
      ],
      [
        'an entry that was removed',
        "DELETE FROM audit_entry WHERE subject = $1 AND source = 'decision/1'",
        ['ENTRY_REMOVED', 'ROW_NOT_CHAINED'],
      ],
    ])('finds and names %s', async (_what, statement, expected) => {
      await sql(statement, grant);
      expect([...(await codes())].sort()).toEqual(expected);
    });

    test('finds a row that was put in and marked as chained', async () => {
      const forged = await decide();
      await sql('UPDATE decision SET chained_by = $2 WHERE grant_id = $1', forged, writer);
      await carryOn();
      expect((await verify()).findings).toEqual([{ code: 'ROW_NOT_CHAINED', where: `decision/1 ${forged}` }]);
    });

    test('finds two entries that changed places', async () => {
      await sql('UPDATE audit_entry SET sequence = 1000 WHERE writer = $1 AND sequence = 2', writer);
      await sql('UPDATE audit_entry SET sequence = 2 WHERE writer = $1 AND sequence = 3', writer);
      await sql('UPDATE audit_entry SET sequence = 3 WHERE writer = $1 AND sequence = 1000', writer);
      expect((await verify()).findings).toEqual([{ code: 'ENTRY_REORDERED', where: `${writer}/2`, detail: 'to 3' }]);
    });

    test('finds a change for which the chain was made anew', async () => {
      await sql('UPDATE decision SET amount_minor = 1 WHERE grant_id = $1', grant);
      await chainAnew();
      expect(await codes()).toEqual(['HISTORY_REWRITTEN']);
    });

    test('finds an end that was cut off, though its head was put back', async () => {
      const { rows } = await pool.query<{ sequence: bigint }>('SELECT sequence FROM audit_writer WHERE id = $1', [
        writer,
      ]);
      const last = rows[0]?.sequence ?? 0n;
      await sql('DELETE FROM audit_entry WHERE writer = $1 AND sequence = $2', writer, last);
      expect(await codes()).toContain('TAIL_TRUNCATED');
      await sql('UPDATE audit_writer SET sequence = $2 WHERE id = $1', writer, last - 1n);
      expect(await codes()).toContain('TAIL_TRUNCATED');
    });

    test('finds a last checkpoint that was cut off with its entries, by whoever knows it', async () => {
      const { last } = await verify();
      if (last === null) throw new Error('no checkpoint');
      await sql('DELETE FROM audit_checkpoint WHERE number = $1', last.number);
      const cut = `DELETE FROM audit_entry WHERE writer <> $1`;
      await sql('UPDATE decision SET chained_by = NULL WHERE chained_by <> $1', writer);
      await sql('UPDATE invite SET chained_by = NULL WHERE chained_by <> $1', writer);
      await sql('UPDATE invite SET closing_chained_by = NULL WHERE closing_chained_by <> $1', writer);
      await sql('UPDATE appraisal SET chained_by = NULL WHERE chained_by <> $1', writer);
      await sql(cut, writer);
      await sql('DELETE FROM audit_writer WHERE id <> $1', writer);
      expect(await codes()).toEqual([]);
      expect(await codes({ checkpoints: [last] })).toEqual(['TAIL_TRUNCATED']);
      expect(await codes({ checkpoints: [{ number: null, hash: last.hash }] })).toEqual(['LOG_REPLACED']);
    });

    test('finds a checkpoint that was forged, removed, exchanged or cannot be read', async () => {
      const [first, second] = await stores.auditReader.checkpoints(0n, 2);
      if (first === undefined || second === undefined) throw new Error('no checkpoints');
      const put = (number: bigint, payload: Buffer, signature: Buffer) =>
        sql('UPDATE audit_checkpoint SET payload = $2, signature = $3 WHERE number = $1', number, payload, signature);
      await put(2n, Buffer.from(second.payload), Buffer.from(first.signature));
      expect(await codes()).toEqual(['CHECKPOINT_FORGED']);
      await put(2n, Buffer.from('{}'), Buffer.from(second.signature));
      expect(await codes()).toEqual(['CHECKPOINT_MALFORMED']);
      await put(2n, Buffer.from(second.payload), Buffer.from(second.signature));
      await sql('DELETE FROM audit_checkpoint WHERE number = 1');
      expect(await codes()).toContain('CHECKPOINT_REMOVED');
    });

    test('finds that the whole log was replaced, though everything in it fits', async () => {
      const before = (await verify()).last;
      if (before === null) throw new Error('no checkpoint');
      await sql('UPDATE decision SET amount_minor = 1 WHERE grant_id = $1', grant);
      await chainAnew();
      await pool.query('DELETE FROM audit_checkpoint', []);
      await pool.query('UPDATE audit_writer SET signed_sequence = 0', []);
      // Signed by the audit key itself: whoever has taken over the service can have that.
      const heads = await stores.auditLog.unsigned(10);
      const anew = nextCheckpoint({ name: { number: 0n, hash: Buffer.alloc(32) }, entries: 0n }, heads, START);
      const signed = audit.key.sign('tapgate/v1/audit-checkpoint', encodeCheckpoint(anew));
      expect(await stores.auditLog.addCheckpoint(1n, signed, heads, START)).toBe(true);
      expect(await codes()).toEqual([]);
      expect(await codes({ checkpoints: [before] })).toEqual(['TAIL_TRUNCATED']);
      expect(await codes({ checkpoints: [{ ...before, number: 1n }] })).toEqual(['LOG_REPLACED']);
    });
  });

  test('a checkpoint that was overtaken is not kept', async () => {
    await decide();
    await stores.auditLog.chain(
      await stores.auditLog.open(uniqueId(), START),
      await stores.auditLog.unchained(100),
      START,
    );
    const heads = await stores.auditLog.unsigned(10);
    const sign = (number: bigint) =>
      audit.key.sign(
        'tapgate/v1/audit-checkpoint',
        encodeCheckpoint(
          nextCheckpoint({ name: { number: number - 1n, hash: Buffer.alloc(32) }, entries: 0n }, heads, START),
        ),
      );
    expect(await stores.auditLog.addCheckpoint(1n, sign(1n), heads, START)).toBe(true);
    expect(await stores.auditLog.addCheckpoint(1n, sign(1n), heads, START)).toBe(false);
    // Its heads are signed by now.
    expect(await stores.auditLog.addCheckpoint(2n, sign(2n), heads, START)).toBe(false);
    expect((await stores.auditReader.size()).checkpoints).toBe(1n);
  });

  test('the duty goes to one, and on when it has run out', async () => {
    const [one, other] = [uniqueId(), uniqueId()];
    const at = (seconds: number) => secondsAfter(START, seconds);
    expect(await stores.auditLog.takeDuty(one, at(0), at(10))).toBe(true);
    expect(await stores.auditLog.takeDuty(other, at(9), at(19))).toBe(false);
    expect(await stores.auditLog.takeDuty(one, at(5), at(15))).toBe(true);
    expect(await stores.auditLog.takeDuty(other, at(14), at(24))).toBe(false);
    expect(await stores.auditLog.takeDuty(other, at(15), at(25))).toBe(true);
    await stores.auditLog.leaveDuty(one);
    expect(await stores.auditLog.takeDuty(one, at(16), at(26))).toBe(false);
    await stores.auditLog.leaveDuty(other);
    expect(await stores.auditLog.takeDuty(one, at(16), at(26))).toBe(true);
  });
});
