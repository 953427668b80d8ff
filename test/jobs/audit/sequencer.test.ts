import { describe, expect, test } from '@jest/globals';
import { decodeCheckpoint, type SignedCheckpoint } from '../../../src/audit/checkpoint.ts';
import { chainAfter, genesis, headOf, type WriterHead } from '../../../src/audit/entry.ts';
import { SeenStanding } from '../../../src/audit/standing.ts';
import type { AuditLog, RowName } from '../../../src/audit/store.ts';
import { AuditSequencer } from '../../../src/jobs/audit/sequencer.ts';
import { ok, type Result, refuse } from '../../../src/reasons/result.ts';
import { auditKey } from '../../audit/support.ts';
import { ManualTime, settle } from '../../support/manual-time.ts';
import { SeededRandom } from '../../support/random.ts';
import { unwrap } from '../../support/unwrap.ts';

/** A log in memory, whose faults a test chooses. */
class MemoryLog implements AuditLog {
  waiting: RowName[] = [];
  readonly chained: string[] = [];
  readonly checkpoints: SignedCheckpoint[] = [];
  readonly heads = new Map<string, WriterHead & { signed: bigint }>();
  fails = false;
  movesUnheard = false;
  dutyOf: string | null = null;
  oldest: Date | null = null;

  async open(writer: string): Promise<WriterHead> {
    return this.heads.get(writer) ?? genesis(writer);
  }
  async unchained(limit: number): Promise<readonly RowName[]> {
    if (this.fails) throw new Error('no database');
    return this.waiting.slice(0, limit);
  }
  async chain(head: WriterHead, rows: readonly RowName[], at: Date): Promise<WriterHead | null> {
    const stands = this.heads.get(head.writer)?.sequence ?? 0n;
    if (stands !== head.sequence) return null;
    const entries = chainAfter(
      head,
      rows.map((row) => ({ ...row, content: { kept: {}, erasable: null } })),
      at,
    );
    const last = entries.at(-1);
    if (last === undefined) return head;
    this.chained.push(...rows.map(({ subject }) => subject));
    this.waiting = this.waiting.filter((row) => !rows.includes(row));
    this.heads.set(head.writer, { ...headOf(last), signed: this.heads.get(head.writer)?.signed ?? 0n });
    if (this.movesUnheard) {
      this.movesUnheard = false;
      throw new Error('commit unknown');
    }
    return headOf(last);
  }
  async unsigned(limit: number) {
    return [...this.heads.values()].filter(({ sequence, signed }) => sequence > signed).slice(0, limit);
  }
  async unsignedAt(heads: readonly WriterHead[]) {
    return heads.flatMap((head) => {
      const known = this.heads.get(head.writer);
      const isThere = known !== undefined && known.sequence >= head.sequence && known.signed < head.sequence;
      return isThere ? [{ ...head, signed: known.signed }] : [];
    });
  }
  async lastCheckpoint() {
    return this.checkpoints.at(-1) ?? null;
  }
  async addCheckpoint(number: bigint, signed: SignedCheckpoint, heads: readonly WriterHead[]): Promise<boolean> {
    if (number !== BigInt(this.checkpoints.length + 1)) return false;
    this.checkpoints.push(signed);
    for (const { writer, sequence } of heads) {
      const head = this.heads.get(writer);
      if (head !== undefined) head.signed = sequence;
    }
    return true;
  }
  async takeDuty(holder: string): Promise<boolean> {
    this.dutyOf ??= holder;
    return this.dutyOf === holder;
  }
  async leaveDuty(holder: string): Promise<void> {
    if (this.dutyOf === holder) this.dutyOf = null;
  }
  async oldestUnchained() {
    return this.oldest;
  }
  add(count: number): void {
    const from = this.chained.length + this.waiting.length;
    for (let n = 0; n < count; n += 1) this.waiting.push({ source: 'test/1', subject: `row-${from + n}` });
  }
}

/** A vault's word on a checkpoint, in the place of signing what it is asked for. */
type Word = (payload: Buffer) => Result<Buffer>;

function world({
  seed = 'one',
  log = new MemoryLog(),
  time = new ManualTime(),
  vault = { down: false },
  word = ok as Word,
} = {}) {
  const key = auditKey();
  const standing = new SeenStanding(time, time.monotonic, { forEntry: 30, forCheckpoint: 40 });
  const told = { checkpoints: 0, failures: 0, unsigned: [] as string[] };
  const sequencer = new AuditSequencer({
    log,
    signer: {
      signCheckpoint: async (payload) => {
        const said = vault.down ? refuse('VAULT_UNAVAILABLE') : word(payload);
        return said.ok ? key.signer.signCheckpoint(said.value) : said;
      },
    },
    standing,
    clock: time,
    timer: time,
    random: new SeededRandom(seed),
    pace: { pollMilliseconds: 200, checkpointSeconds: 10, dutySeconds: 9, helpAfterSeconds: 15 },
    onCheckpoint: () => {
      told.checkpoints += 1;
    },
    onFailure: () => {
      told.failures += 1;
    },
    onUnsigned: (reason) => told.unsigned.push(reason),
  });
  return { log, time, standing, sequencer, told, vault };
}

const numbers = ({ checkpoints }: MemoryLog) =>
  checkpoints.map(({ payload }) => unwrap(decodeCheckpoint(payload)).entries);

describe('the sequencer', () => {
  test('chains and signs at its start, and signs again after the period where there is something', async () => {
    const { log, time, standing, sequencer, told } = world();
    log.add(3);
    await sequencer.start();
    expect([log.chained.length, numbers(log), standing.behind()]).toEqual([3, [3n], null]);
    expect(standing.lastCheckpoint()?.number).toBe(1n);
    log.add(2);
    await time.advance(200);
    expect([log.chained.length, numbers(log)]).toEqual([5, [3n]]);
    await time.advance(9_600);
    expect(numbers(log)).toEqual([3n]);
    await time.advance(400);
    expect(numbers(log)).toEqual([3n, 5n]);
    await time.advance(30_000);
    expect([numbers(log), told.checkpoints]).toEqual([[3n, 5n], 2]);
  });

  test('chains more than one batch in a turn', async () => {
    const { log, sequencer } = world();
    log.add(1000);
    await sequencer.start();
    expect([new Set(log.chained).size, log.chained.length, log.waiting.length]).toEqual([1000, 1000, 0]);
  });

  test('goes on where its head is, after a commit that nobody heard of', async () => {
    const { log, time, sequencer, told } = world();
    log.add(2);
    log.movesUnheard = true;
    await sequencer.start();
    expect([log.chained.length, told.failures]).toEqual([2, 1]);
    log.add(1);
    await time.advance(200);
    expect([log.chained.length, log.heads.get(sequencer.writer)?.sequence]).toEqual([3, 3n]);
  });

  test('leaves the work to the replica that has the duty, takes it over, and gives it away', async () => {
    const one = world();
    const other = world({ seed: 'other', log: one.log, time: one.time });
    await one.sequencer.start();
    await other.sequencer.start();
    one.log.add(1);
    await one.time.advance(200);
    expect([...one.log.heads.keys()]).toEqual([one.sequencer.writer]);
    await one.sequencer.stop();
    one.log.add(1);
    await one.time.advance(200);
    expect([...one.log.heads.keys()]).toEqual([one.sequencer.writer, other.sequencer.writer]);
    expect(other.standing.behind()).toBeNull();
  });

  test('chains and signs what is left when it stops, and does nothing afterwards', async () => {
    const { log, time, sequencer } = world();
    await sequencer.start();
    log.add(4);
    await sequencer.stop();
    expect([log.chained.length, numbers(log), log.dutyOf]).toEqual([4, [4n], null]);
    log.add(1);
    await time.advance(60_000);
    expect(log.chained.length).toBe(4);
  });

  test('is behind while the database does not answer, and catches up', async () => {
    const { log, time, standing, sequencer, told } = world();
    await sequencer.start();
    log.fails = true;
    log.add(1);
    await time.advance(30_000);
    expect(standing.behind()).toBeNull();
    await time.advance(400);
    expect([standing.behind(), told.failures > 100]).toEqual(['AUDIT_BEHIND', true]);
    log.fails = false;
    await time.advance(200);
    expect([standing.behind(), log.chained.length]).toEqual([null, 1]);
  });

  test('is behind where a row waits too long, whoever should have chained it', async () => {
    const { log, time, standing, sequencer } = world();
    log.dutyOf = 'a replica that hangs';
    log.oldest = time.now();
    await sequencer.start();
    await time.advance(30_000);
    expect(standing.behind()).toBeNull();
    await time.advance(400);
    expect(standing.behind()).toBe('AUDIT_BEHIND');
  });

  test('chains a row that whoever has the duty passes over, before it is late', async () => {
    const { log, time, standing, sequencer } = world();
    log.dutyOf = 'a replica of the version before';
    log.add(1);
    log.oldest = time.now();
    await sequencer.start();
    await time.advance(14_800);
    expect(log.chained).toEqual([]);
    await time.advance(400);
    expect(log.chained).toHaveLength(1);
    expect([log.dutyOf, standing.behind()]).toEqual(['a replica of the version before', null]);
  });

  test('is behind where nothing is signed for too long, and not under a load that never ends', async () => {
    const vault = { down: false };
    const { log, time, standing, sequencer, told } = world({ vault });
    await sequencer.start();
    for (let second = 0; second < 120; second += 1) {
      log.add(1);
      await time.advance(1000);
      expect(standing.behind()).toBeNull();
    }
    vault.down = true;
    for (let second = 0; second < 60; second += 1) {
      log.add(1);
      await time.advance(1000);
    }
    expect([standing.behind(), told.unsigned.at(-1)]).toEqual(['AUDIT_BEHIND', 'VAULT_UNAVAILABLE']);
    vault.down = false;
    await time.advance(10_200);
    expect(standing.behind()).toBeNull();
  });

  test('builds on a checkpoint of another replica', async () => {
    const one = world();
    one.log.add(1);
    await one.sequencer.start();
    await one.sequencer.stop();
    const other = world({ seed: 'other', log: one.log, time: one.time });
    one.log.add(1);
    await other.sequencer.start();
    await settle();
    expect(numbers(one.log)).toEqual([1n, 2n]);
    const [first, second] = one.log.checkpoints.map(({ payload }) => unwrap(decodeCheckpoint(payload)));
    expect([first?.number, second?.number, second?.heads.length]).toEqual([1n, 2n, 1]);
  });

  test('takes the checkpoint that the vault had signed before, where the log has what it signs', async () => {
    const log = new MemoryLog();
    let kept: Buffer | null = null;
    // The first answer is lost.
    const word: Word = (payload) => {
      if (kept === null) {
        kept = payload;
        return refuse('VAULT_UNAVAILABLE');
      }
      const { number } = unwrap(decodeCheckpoint(payload));
      return ok(number === 1n ? kept : payload);
    };
    log.add(2);
    const { time, sequencer, told, standing } = world({ log, word });
    await sequencer.start();
    expect([numbers(log), told.unsigned]).toEqual([[], ['VAULT_UNAVAILABLE']]);
    log.add(3);
    await time.advance(10_200);
    expect([numbers(log), standing.behind()]).toEqual([[2n, 5n], null]);
  });

  test('decides nothing more where the vault had signed what the log does not have', async () => {
    const [log, other] = [new MemoryLog(), new MemoryLog()];
    other.add(5);
    await world({ seed: 'other', log: other }).sequencer.start();
    const signed = Buffer.from(other.checkpoints[0]?.payload ?? '');
    log.add(2);
    const { time, sequencer, told, standing } = world({ log, word: () => ok(signed) });
    await sequencer.start();
    expect([numbers(log), told.unsigned, standing.behind()]).toEqual([
      [],
      ['AUDIT_LOG_REPLACED'],
      'AUDIT_LOG_REPLACED',
    ]);
    await time.advance(60_000);
    expect(standing.behind()).toBe('AUDIT_LOG_REPLACED');
  });

  test('decides nothing more where the vault refuses what does not follow, unless another replica was first', async () => {
    const log = new MemoryLog();
    log.add(1);
    const { sequencer, standing, told } = world({ log, word: () => refuse('AUDIT_LOG_REPLACED') });
    await sequencer.start();
    expect([standing.behind(), told.unsigned]).toEqual(['AUDIT_LOG_REPLACED', ['AUDIT_LOG_REPLACED']]);

    const shared = new MemoryLog();
    const one = world({ log: shared });
    shared.add(1);
    let raced = false;
    const late: Word = (payload) => {
      if (raced) return ok(payload);
      raced = true;
      shared.checkpoints.push({ payload, signature: Buffer.alloc(8), keyId: 'theirs' });
      return refuse('AUDIT_LOG_REPLACED');
    };
    const two = world({ seed: 'two', log: shared, word: late, time: one.time });
    await two.sequencer.start();
    expect([two.standing.behind(), two.told.unsigned]).toEqual([null, []]);
  });
});
