import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import {
  type CheckpointSigner,
  checkpointHash,
  encodeCheckpoint,
  NO_CHECKPOINT,
  nextCheckpoint,
} from '../../../src/audit/checkpoint.ts';
import { chainAfter, genesis, type WriterHead } from '../../../src/audit/entry.ts';
import { readLog, verifyLog } from '../../../src/audit/reading.ts';
import { SeenStanding } from '../../../src/audit/standing.ts';
import type { KnownOutside } from '../../../src/audit/verification.ts';
import type { DecisionFacts, PaymentFacts } from '../../../src/gate/facts.ts';
import type { NewDecision } from '../../../src/gate/store.ts';
import { AuditSequencer, type SequencerPorts } from '../../../src/jobs/audit/sequencer.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import type { Retry } from '../../../src/store/sql/engine/transaction.ts';
import { takeUpLog } from '../../../src/vault/signed-checkpoints/take-up.ts';
import { anchorsOf, auditKey, endorsementBy, verification } from '../../audit/support.ts';
import { START } from '../../support/clock.ts';
import { addGrant, decisionOf, enrolPhone, uniqueId } from '../../support/enrolled.ts';
import { SeededRandom } from '../../support/random.ts';
import { signingKey } from '../../support/signing-key.ts';
import { vaultFixture } from '../../vault/support/keystore.ts';
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
  'published_key_endorsement',
  'key_slot_change',
  'payment_outcome',
  'device_group_change',
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

  const standing = () => new SeenStanding(clock, () => performance.now(), { forEntry: 30, forCheckpoint: 40 });

  const sequencer = (checkpointSeconds = 3600, over: Partial<SequencerPorts> = {}) =>
    new AuditSequencer({
      log: stores.auditLog,
      signer: audit.signer,
      standing: standing(),
      clock,
      timer: { after: () => () => {} },
      random: { bytes: (length) => random.bytes(length) },
      pace: { pollMilliseconds: 1, checkpointSeconds, dutySeconds: 10, helpAfterSeconds: 15 },
      onCheckpoint: () => {},
      onFailure: (error) => {
        throw error;
      },
      onUnsigned: (reason) => {
        throw new Error(reason);
      },
      ...over,
    });

  /** Chains and signs what there is, as a replica that starts and stops. */
  const carryOn = async (): Promise<void> => {
    const replica = sequencer();
    await replica.start();
    await replica.stop();
  };

  const decide = async (bend: (decision: NewDecision) => Partial<NewDecision> = () => ({})): Promise<string> => {
    const usual = decisionOf(await addGrant(stores, await enrolPhone(stores)));
    const decision = { ...usual, ...bend(usual) };
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

  test('keeps what each anchor says of a key, as the vault says it, and verifies by it', async () => {
    const [anchor, next] = [signingKey(), signingKey()];
    const anchors = anchorsOf(anchor);
    audit = auditKey(anchor);
    await sql('DELETE FROM published_key');
    await stores.keyHistory.note([audit.seen], [], START);
    await sql("UPDATE published_key_endorsement SET signature = '\\x00'");
    await decide();
    await carryOn();
    expect(await codes({ anchors })).toEqual(['KEY_NOT_ENDORSED', 'CHECKPOINT_FORGED']);
    const { keyId, purpose, publicKey, endorsements } = audit.seen;
    const later = endorsementBy(next, purpose, publicKey);
    await stores.keyHistory.note([audit.seen, { ...audit.seen, endorsements: [later] }], [], START);
    for (const known of [anchors, anchorsOf(next)]) expect(await codes({ anchors: known })).toEqual([]);
    const kept = (await stores.keyHistory.publishedKeys()).find((key) => key.keyId === keyId);
    expect(new Set(kept?.endorsements)).toEqual(new Set([...endorsements, later]));
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

  test('chains who changed which group of devices, and finds a change that was changed', async () => {
    const { deviceId } = await enrolPhone(stores);
    await stores.deviceGroups.addMembers('audited', [deviceId], 'ann', START);
    await stores.deviceGroups.removeMembers('audited', [deviceId], 'bob', START);
    await carryOn();
    expect(await codes()).toEqual([]);
    const chained = await pool.query<{ entries: bigint }>(
      "SELECT COUNT(*) AS entries FROM audit_entry WHERE source = 'device-group-change/1'",
      [],
    );
    expect(chained.rows).toEqual([{ entries: 2n }]);
    await sql("UPDATE device_group_change SET changed_by = 'eve' WHERE change = 'removed'");
    expect(await codes()).toEqual(['ROW_CHANGED']);
    await sql("DELETE FROM device_group_change WHERE change = 'removed'");
    expect(await codes()).toEqual(['ROW_REMOVED']);
  });

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

  const withFacts =
    (over: Partial<DecisionFacts>, payment: Partial<PaymentFacts> = {}) =>
    ({ facts }: NewDecision): Partial<NewDecision> => ({
      facts: { ...facts, ...over, payment: { ...facts.payment, ...payment } },
    });
  const noCard = { cardUse: null, cardReference: Buffer.alloc(0) };
  test.each<[string, (decision: NewDecision) => Partial<NewDecision>]>([
    ['a refusal', () => ({ outcome: 'refused', reasons: ['PIN_LOST'], receipt: '', ...noCard })],
    ['an instant of milliseconds', () => ({ decidedAt: new Date('2026-02-28T23:59:59.007Z') })],
    ['names beyond ASCII', () => ({ merchant: 'Café "Ö\\\u2028"', order: 'a,b}{\u{1f4b3}\n' })],
    ['the greatest amount', () => ({ amountMinor: 9_223_372_036_854_775_807n, sequence: 9_007_199_254_740_993n })],
    ['a tap that cannot be read', withFacts({}, { tap: { unreadable: 'EMV_MALFORMED' } })],
    ['no keys', withFacts({ keySet: null, appraisalId: null, foundElsewhere: ['CARD_BRAND_MISMATCH'] })],
    ['a PIN', withFacts({}, { pin: 'held', pinKsn: Buffer.alloc(12, 9) })],
  ])('the hash that is kept with %s is that of its row', async (_what, over) => {
    await decide(over);
    const { rows } = await pool.query<{ missing: bigint }>(
      'SELECT COUNT(*) AS missing FROM decision WHERE kept_hash IS NULL',
      [],
    );
    expect(rows[0]?.missing).toBe(0n);
    await carryOn();
    expect(await codes()).toEqual([]);
  });

  test('a decision of before its hash was kept is read, and chained as it stands', async () => {
    const grant = await decide();
    await sql('UPDATE decision SET kept_hash = NULL WHERE grant_id = $1', grant);
    await carryOn();
    expect(await codes()).toEqual([]);
    expect(await stores.auditReader.entryOf({ source: 'decision/1', subject: grant })).not.toBeNull();
  });

  test('a decision that is changed before it is chained is a change', async () => {
    const grant = await decide();
    await sql('UPDATE decision SET amount_minor = amount_minor + 1 WHERE grant_id = $1', grant);
    await carryOn();
    expect(await codes()).toEqual(['ROW_CHANGED']);
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

  test('what was emptied of a device that nobody had forgotten is a change, whatever its row says', async () => {
    const { deviceId } = await enrolPhone(stores);
    const cause = 'fraud at the merchant: case 4711';
    const value = { to: 'suspended', by: 'ann', cause, at: START, revocation: 'DEVICE_SUSPENDED' } as const;
    await stores.standings.move(deviceId, () => ({ ok: true, value }));
    await carryOn();
    await sql("UPDATE device_change SET cause = '' WHERE device_id = $1", deviceId);
    await sql("UPDATE appraisal SET checks = '[]', facts = '{}'::JSONB WHERE device_id = $1", deviceId);
    await sql('UPDATE device SET forgotten_at = now() WHERE id = $1', deviceId);
    const report = await verify();
    expect([...new Set(report.findings.map(({ code }) => code))]).toEqual(['ROW_CHANGED']);
    expect(report.findings.length).toBeGreaterThanOrEqual(2);
    await sql('UPDATE device SET forgotten_at = NULL WHERE id = $1', deviceId);
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

  describe('that a vault signs which knows what it has signed', () => {
    let vault: ReturnType<typeof vaultFixture>;
    beforeEach(() => {
      vault = vaultFixture();
    });
    afterEach(() => vault.remove());

    /** Chains and signs what there is; answers the standing of the log, and why nothing was signed. */
    const carriedOn = async () => {
      const signer: CheckpointSigner = {
        signCheckpoint: async (payload) => {
          const taken = vault.custodian.checkpoints.take(payload);
          return taken.ok ? audit.signer.signCheckpoint(taken.value) : taken;
        },
      };
      const seen = standing();
      const unsigned: string[] = [];
      const onUnsigned = (reason: string) => void unsigned.push(reason);
      const replica = sequencer(3600, { signer, standing: seen, onUnsigned });
      await replica.start();
      await replica.stop();
      return { behind: seen.behind(), unsigned: [...new Set(unsigned)] };
    };
    const emptyLog = async (): Promise<void> => {
      for (const table of ['audit_entry', 'audit_checkpoint', 'audit_writer']) await sql(`DELETE FROM ${table}`);
      for (const table of ['decision', 'appraisal', 'invite', 'device_change', 'published_key'])
        await sql(`UPDATE ${table} SET chained_by = NULL`);
      await sql('UPDATE invite SET closing_chained_by = NULL');
    };
    const REFUSED = { behind: 'AUDIT_LOG_REPLACED', unsigned: ['AUDIT_LOG_REPLACED'] };

    test('is not signed again after it was emptied, and chained anew', async () => {
      for (let round = 0; round < 2; round += 1) {
        await decide();
        expect(await carriedOn()).toEqual({ behind: null, unsigned: [] });
      }
      await sql("UPDATE decision SET amount_minor = 1, kept_hash = NULL WHERE outcome = 'approved'");
      await emptyLog();
      expect(await carriedOn()).toEqual(REFUSED);
      await decide();
      expect(await carriedOn()).toEqual(REFUSED);
    });

    test('is not signed again where the last checkpoint was taken away, and what it signs was chained anew', async () => {
      await decide();
      await carriedOn();
      const grant = await decide();
      await carriedOn();
      const entry = await stores.auditReader.entryOf({ source: 'decision/1', subject: grant });
      const writer = entry?.entry.writer ?? '';
      await sql('DELETE FROM audit_checkpoint WHERE number = 2');
      await sql('DELETE FROM audit_entry WHERE writer = $1', writer);
      await sql('DELETE FROM audit_writer WHERE id = $1', writer);
      for (const table of ['decision', 'appraisal', 'invite'])
        await sql(`UPDATE ${table} SET chained_by = NULL WHERE chained_by = $1`, writer);
      expect(await carriedOn()).toEqual(REFUSED);
    });

    test('has its last checkpoint again where that alone was taken away', async () => {
      await decide();
      await carriedOn();
      const [first] = await stores.auditReader.checkpoints(0n, 1);
      await sql('DELETE FROM audit_checkpoint');
      await sql('UPDATE audit_writer SET signed_sequence = 0');
      await decide();
      expect(await carriedOn()).toEqual({ behind: null, unsigned: [] });
      const [again] = await stores.auditReader.checkpoints(0n, 1);
      expect(again?.payload).toEqual(first?.payload);
      expect(await verify()).toMatchObject({ findings: [], unsigned: 0n, checkpoints: 2n });
    });

    test('goes on where people have it go on, which every verification reports', async () => {
      await decide();
      await carriedOn();
      await emptyLog();
      expect(await carriedOn()).toEqual(REFUSED);
      expect(takeUpLog(vault.directory, NO_CHECKPOINT, { clock, by: 'ann' }).ok).toBe(true);
      expect(await carriedOn()).toEqual({ behind: null, unsigned: [] });
      await decide();
      expect(await carriedOn()).toEqual({ behind: null, unsigned: [] });
      const { findings } = await verify();
      expect(findings).toEqual([
        { code: 'LOG_TAKEN_UP', where: 'checkpoint 1', detail: expect.stringMatching(/^by ann .* checkpoint 1 /) },
      ]);
    });
  });

  test('that was chained long after its rows were written says so, once a checkpoint', async () => {
    await decide();
    await carryOn();
    const { findings, entries } = await verify({ chainedWithinSeconds: 3600 });
    expect(findings).toEqual([{ code: 'CHAINED_LATE', where: 'checkpoint 1', detail: expect.any(String) }]);
    expect(findings[0]?.detail).toMatch(/^\d+ entries, up to \d+ s$/);
    expect(entries).toBeGreaterThan(1n);
    expect(await codes({ chainedWithinSeconds: 1_000_000_000 })).toEqual([]);
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
