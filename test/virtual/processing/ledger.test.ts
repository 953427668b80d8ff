import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SqliteLedger } from '../../../src/virtual/processing/ledger.ts';
import type { ApprovedAttempt, OrderState } from '../../../src/virtual/processing/orders.ts';
import { Folder } from './support/shop.ts';

const AT = new Date('2026-10-15T12:00:00Z');
const WRITER = fileURLToPath(new URL('programs/ledger-writer.ts', import.meta.url));

function attempt(over: Partial<ApprovedAttempt> & { readonly intent?: number } = {}): ApprovedAttempt {
  const { intent = 1, ...rest } = over;
  return {
    merchant: 'corner-shop',
    order: 'o-1',
    amountMinor: 1_250n,
    currency: 978,
    intentHash: Buffer.alloc(32, intent),
    thumbprint: 'thumbprint',
    receipt: 'receipt',
    cardReference: 'card',
    ...rest,
  };
}

class OpenLedger extends SqliteLedger implements Disposable {
  readonly folder: Folder;

  constructor(folder = new Folder()) {
    super(folder.at('ledger.sqlite'));
    this.folder = folder;
  }

  [Symbol.dispose](): void {
    this.close();
    this.folder[Symbol.dispose]();
  }
}

describe('an order', () => {
  test('is paid once, by the intent that it was submitted with', () => {
    using ledger = new OpenLedger();
    expect(ledger.pay(attempt(), false, AT)).toBe(false);
    expect(ledger.admit(attempt(), AT)).toEqual({ kind: 'submit' });
    expect(ledger.pay(attempt({ intent: 2 }), false, AT)).toBe(false);
    expect(ledger.pay(attempt(), true, AT)).toBe(true);
    expect(ledger.pay(attempt(), true, AT)).toBe(false);
    expect(ledger.balance('corner-shop', 978)).toBe(1_250n);
    expect(ledger.find(attempt())).toEqual({ ...attempt(), state: 'paid', pinVerified: true, changedAt: AT });
  });

  test('tops up what it was submitted with, whatever the caller says later', () => {
    using ledger = new OpenLedger();
    ledger.admit(attempt(), AT);
    ledger.pay(attempt({ amountMinor: 999_999n, currency: 840 }), false, AT);
    expect([ledger.balance('corner-shop', 978), ledger.balance('corner-shop', 840)]).toEqual([1_250n, 0n]);
  });

  test('is another one at another merchant', () => {
    using ledger = new OpenLedger();
    for (const merchant of ['corner-shop', 'other-shop']) {
      ledger.admit(attempt({ merchant }), AT);
      expect(ledger.pay(attempt({ merchant }), false, AT)).toBe(true);
    }
    expect([ledger.balance('corner-shop', 978), ledger.balance('other-shop', 978)]).toEqual([1_250n, 1_250n]);
  });

  type Before = OrderState | 'submitted by another';
  function bring(ledger: SqliteLedger, before: Before): void {
    if (before === 'refused') ledger.refuse(attempt(), AT);
    else ledger.admit(attempt({ intent: before === 'submitted by another' ? 2 : 1 }), AT);
    if (before === 'paid') ledger.pay(attempt(), false, AT);
    if (before === 'declined') ledger.decline(attempt(), AT);
  }

  test.each<[Before, number, string]>([
    ['refused', 1, 'submit'],
    ['refused', 3, 'submit'],
    ['declined', 1, 'settled'],
    ['declined', 3, 'submit'],
    ['submitted', 1, 'resume'],
    ['submitted by another', 1, 'open'],
    ['paid', 1, 'settled'],
    ['paid', 3, 'settled'],
  ])('that was %s, asked for by intent %d: %s', (before, intent, kind) => {
    using ledger = new OpenLedger();
    bring(ledger, before);
    expect(ledger.admit(attempt({ intent }), AT)).toMatchObject({ kind });
  });

  test.each<[Before, OrderState]>([
    ['refused', 'refused'],
    ['declined', 'declined'],
    ['submitted', 'submitted'],
    ['paid', 'paid'],
  ])('that was %s stays %s when another intent is refused', (before, after) => {
    using ledger = new OpenLedger();
    bring(ledger, before);
    ledger.refuse(attempt({ intent: 9 }), AT);
    expect(ledger.find(attempt())).toMatchObject({ state: after });
  });

  test('is taken over only from the intent that was seen', () => {
    using ledger = new OpenLedger();
    ledger.admit(attempt({ intent: 2 }), AT);
    expect(ledger.supersede(attempt(), Buffer.alloc(32, 3), AT)).toBe(false);
    expect(ledger.supersede(attempt(), Buffer.alloc(32, 2), AT)).toBe(true);
    expect(ledger.pay(attempt({ intent: 2 }), false, AT)).toBe(false);
    expect(ledger.pay(attempt(), false, AT)).toBe(true);
  });
});

describe('the file', () => {
  test('keeps everything, and only its owner may read it', () => {
    using ledger = new OpenLedger();
    ledger.admit(attempt(), AT);
    ledger.pay(attempt(), false, AT);
    const again = new SqliteLedger(ledger.folder.at('ledger.sqlite'));
    expect(again.balance('corner-shop', 978)).toBe(1_250n);
    again.close();
    expect(statSync(ledger.folder.at('ledger.sqlite')).mode & 0o077).toBe(0);
  });

  test('of another version is not opened', () => {
    using folder = new Folder();
    const other = new DatabaseSync(folder.at('ledger.sqlite'));
    other.exec('PRAGMA user_version = 2');
    other.close();
    expect(() => new SqliteLedger(folder.at('ledger.sqlite'))).toThrow('version 2');
  });
});

test('whatever is done in whatever order, the wallet holds what the paid orders say', () => {
  const step = fc.record({
    order: fc.integer({ min: 1, max: 3 }),
    intent: fc.integer({ min: 1, max: 3 }),
    act: fc.constantFrom('admit', 'pay', 'decline', 'refuse', 'supersede'),
    handle: fc.integer({ min: 0, max: 1 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      using first = new OpenLedger();
      using second = new OpenLedger(first.folder);
      const paid = new Map<string, number>();
      for (const { order, intent, act, handle } of steps) {
        const ledger = [first, second][handle]!;
        const one = attempt({ order: `o-${order}`, intent, amountMinor: BigInt(order * 100) });
        if (act === 'admit') ledger.admit(one, AT);
        if (act === 'decline') ledger.decline(one, AT);
        if (act === 'refuse') ledger.refuse(one, AT);
        if (act === 'supersede') ledger.supersede(one, Buffer.alloc(32, (intent % 3) + 1), AT);
        if (act === 'pay' && ledger.pay(one, false, AT)) paid.set(one.order, (paid.get(one.order) ?? 0) + 1);
      }
      const orders = first.paidOrders(10);
      expect([...paid.values()].every((times) => times === 1)).toBe(true);
      expect(orders.map(({ order }) => order).sort()).toEqual([...paid.keys()].sort());
      const sum = orders.reduce((total, { amountMinor }) => total + amountMinor, 0n);
      expect(second.balance('corner-shop', 978)).toBe(sum);
    }),
    { seed: 1, numRuns: 60 },
  );
}, 60_000);

interface Written {
  readonly paid: string[];
  readonly finished: boolean;
}

/** Lines that a writer may be ahead of what was read: it is killed wherever it is within them. */
const AHEAD = 24;

/** Runs a writer; it is killed as soon as its n-th line is read, or kills itself after so many statements. */
function write(
  path: string,
  writer: string,
  orders: number,
  { killAt = Number.POSITIVE_INFINITY, diesAfter = 0 } = {},
): Promise<Written> {
  return new Promise((resolve, reject) => {
    const options = [path, writer, `${orders}`, `${diesAfter}`];
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WRITER, ...options], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {},
    });
    const paid: string[] = [];
    let lines = 0;
    let finished = false;
    // A writer that was killed reads no more.
    child.stdin.on('error', () => {});
    child.stdin.write('.'.repeat(AHEAD));
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines += 1;
      child.stdin.write('.');
      if (line.startsWith('paid ')) paid.push(`o-${line.slice(5)}`);
      if (line === 'done') finished = true;
      if (lines === killAt) child.kill('SIGKILL');
    });
    child.once('error', reject);
    child.once('close', () => resolve({ paid, finished }));
  });
}

const ORDERS = 120;
const EVERYTHING = BigInt((ORDERS * (ORDERS + 1)) / 2);

describe('processes', () => {
  test('that are killed in the middle, again and again, lose no payment that they told and pay none twice', async () => {
    using folder = new Folder();
    const path = folder.at('ledger.sqlite');
    const told: string[] = [];
    for (const [round, killAt] of [1, 2, 7, 20, 33, 54, 79].entries()) {
      const { paid, finished } = await write(path, `writer-${round % 2}`, ORDERS, { killAt });
      expect(finished).toBe(false);
      told.push(...paid);
      const ledger = new SqliteLedger(path);
      const orders = ledger.paidOrders(ORDERS);
      const sum = orders.reduce((total, { amountMinor }) => total + amountMinor, 0n);
      expect(ledger.balance('corner-shop', 978)).toBe(sum);
      const stand = new Set(orders.map(({ order }) => order));
      expect(told.filter((order) => !stand.has(order))).toEqual([]);
      ledger.close();
    }
    const { paid, finished } = await write(path, 'last', ORDERS);
    expect(finished).toBe(true);
    told.push(...paid);
    expect(new Set(told).size).toBe(told.length);
    const ledger = new SqliteLedger(path);
    expect(ledger.balance('corner-shop', 978)).toBe(EVERYTHING);
    ledger.close();
  });

  test.each([1, 2, 3, 4, 5, 6])(
    'that die after statement %d leave a wallet that agrees with its orders',
    async (diesAfter) => {
      using folder = new Folder();
      const path = folder.at('ledger.sqlite');
      expect(await write(path, 'first', 2, { diesAfter })).toMatchObject({ finished: false });
      const ledger = new SqliteLedger(path);
      const sum = ledger.paidOrders(2).reduce((total, { amountMinor }) => total + amountMinor, 0n);
      expect(ledger.balance('corner-shop', 978)).toBe(sum);
      expect(await write(path, 'second', 2)).toMatchObject({ finished: true });
      expect(ledger.balance('corner-shop', 978)).toBe(3n);
      ledger.close();
    },
  );

  test('that pay the same orders at the same time pay each once', async () => {
    using folder = new Folder();
    const path = folder.at('ledger.sqlite');
    const written = await Promise.all(['a', 'b', 'c'].map((writer) => write(path, writer, ORDERS)));
    expect(written.map(({ finished }) => finished)).toEqual([true, true, true]);
    const told = written.flatMap(({ paid }) => paid);
    expect(new Set(told).size).toBe(told.length);
    expect(told).toHaveLength(ORDERS);
    const ledger = new SqliteLedger(path);
    expect(ledger.balance('corner-shop', 978)).toBe(EVERYTHING);
    ledger.close();
  });
});
