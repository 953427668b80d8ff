import type { Order } from '../../src/virtual/processing/orders.ts';
import { decodeGrant } from '../../src/wire/transaction.ts';
import type { AuditExport } from './audit-log.ts';
import { type Book, receiptHashOf } from './book.ts';
import type { OutsideView } from './database.ts';
import { checkLimits } from './limits.ts';
import { checkReturns } from './refunds.ts';
import type { Shop } from './shop.ts';

const PAGE = 2_000;

interface DecisionRow {
  readonly grant_id: string;
  readonly intent: string;
  readonly receipt: string;
  readonly outcome: 'approved' | 'refused';
  readonly device_id: string;
  readonly order_number: string;
  readonly decided: string;
  readonly chained: boolean;
}

interface GrantRow {
  readonly id: string;
  readonly payload: Buffer;
}

interface Wallet {
  readonly merchant: string;
  readonly currency: number;
  readonly balance: bigint;
}

/** Approved decisions of the book that are in the database and in the ledger; said while payments go on. */
export async function checkStretch(book: Book, view: OutsideView, intents: readonly string[]): Promise<void> {
  const known = new Set<string>();
  for (let from = 0; from < intents.length; from += PAGE) {
    const hashes = intents.slice(from, from + PAGE);
    const rows = await view.rows<{ readonly intent: string; readonly receipt: string }>(
      `SELECT encode(intent_hash, 'hex') AS intent, receipt FROM decision
        WHERE outcome = 'approved' AND intent_hash = ANY($1::BYTEA[])`,
      [hashes.map((hash) => Buffer.from(hash, 'hex'))],
    );
    for (const { intent, receipt } of rows) {
      if (book.approvals.get(intent)?.receiptHash === receiptHashOf(receipt)) known.add(intent);
    }
  }
  for (const intent of intents) {
    if (!known.has(intent)) book.violate(`approved, and not so in the database: ${intent}`, planOf(book, intent));
  }
}

const planOf = (book: Book, intent: string): number | null => book.approvals.get(intent)?.plan ?? null;

/** All of it, from outside, once no payment is on its way. */
export async function checkAll(book: Book, view: OutsideView, shop: Shop, audit: AuditExport): Promise<void> {
  const decisions = await checkDecisions(book, view, audit);
  checkLedger(book, shop);
  await checkReturns(book, view, shop);
  await checkLimits(book, view, shop);
  checkAudit(book, audit, decisions);
  await checkKeySerialNumbers(book, view);
}

/** Decision rows against answers, log and suspensions; answers how many there are. */
async function checkDecisions(book: Book, view: OutsideView, audit: AuditExport): Promise<number> {
  const suspended = new Map(book.suspended.map((time) => [time.deviceId, [] as typeof book.suspended]));
  for (const time of book.suspended) suspended.get(time.deviceId)?.push(time);
  const approved = new Set<string>();
  let all = 0;
  for await (const row of pages<DecisionRow>(
    view,
    'grant_id',
    `SELECT grant_id, encode(intent_hash, 'hex') AS intent, receipt, outcome, device_id, order_number,
            (extract(epoch FROM decided_at) * 1000)::INT8::TEXT AS decided, chained_by IS NOT NULL AS chained FROM decision`,
  )) {
    all += 1;
    const receiptHash = receiptHashOf(row.receipt);
    const logged = audit.decisions.get(row.grant_id);
    const same = logged?.outcome === row.outcome && logged.intentHash === row.intent;
    if (!row.chained || !same || logged.receiptHash !== receiptHash)
      book.violate(`not in the audit log as it is in the database: ${row.grant_id}`, planOf(book, row.intent));
    if (row.outcome === 'refused') continue;
    if (approved.has(row.intent)) book.violate(`an intent approved twice: ${row.intent}`, planOf(book, row.intent));
    approved.add(row.intent);
    if (book.approvals.get(row.intent)?.receiptHash !== receiptHash)
      book.violate(`approved in the database, and not so answered: ${row.order_number}`, planOf(book, row.intent));
    const at = Number(row.decided);
    for (const { from, until, plan } of suspended.get(row.device_id) ?? [])
      if (at > from && at < until) book.violate(`decided while suspended: ${row.grant_id}`, plan);
  }
  for (const [intent, { plan }] of book.approvals)
    if (!approved.has(intent)) book.violate(`answered, and not approved in the database: ${intent}`, plan);
  book.count('decisions', all);
  book.count('decisions approved', approved.size);
  return all;
}

/** The ledger against the orders and their receipts: one top-up an order, one approved receipt a top-up. */
function checkLedger(book: Book, { ledger }: Shop): void {
  const paid = ledger.paidOrders(Number.MAX_SAFE_INTEGER);
  const balances = new Map<string, Wallet>();
  const receipts = new Set<string>();
  for (const order of paid) {
    checkOrder(book, order);
    receipts.add(receiptHashOf(order.receipt));
    const { merchant, currency, amountMinor } = order;
    const name = JSON.stringify([merchant, currency]);
    const balance = (balances.get(name)?.balance ?? 0n) + amountMinor;
    balances.set(name, { merchant, currency, balance });
  }
  if (paid.length !== book.paid.size) book.violate(`${paid.length} top-ups of ${book.paid.size} orders`, null);
  for (const { merchant, currency, balance } of balances.values())
    if (ledger.balance(merchant, currency) !== balance)
      book.violate(`the wallet of ${merchant} in ${currency} is not its top-ups`, null);
  for (const [intent, { receiptHash, plan }] of book.approvals)
    if (!receipts.has(receiptHash) && !book.declined.has(intent) && !book.givenBack.has(intent))
      book.violate(`approved, not paid: ${intent}`, plan);
  book.count('top-ups', paid.length);
}

function checkOrder(book: Book, { merchant, order, amountMinor, currency, receipt, intentHash }: Order): void {
  const booked = book.paid.get(order);
  const approval = book.approvals.get(intentHash.toString('hex'));
  const receiptHash = receiptHashOf(receipt);
  const right =
    booked?.merchant === merchant &&
    booked.amountMinor === amountMinor &&
    booked.currency === currency &&
    booked.receiptHash === receiptHash &&
    approval?.receiptHash === receiptHash;
  if (!right) book.violate(`the top-up of ${order} is not what was approved`, approval?.plan ?? null);
}

function checkAudit(book: Book, { verified, repeated, decisions, entries }: AuditExport, rows: number): void {
  if (!verified.ok)
    book.violate(`the audit log does not verify: ${JSON.stringify(verified.findings).slice(0, 500)}`, null);
  for (const grant of repeated) book.violate(`twice in the audit log: ${grant}`, null);
  if (decisions.size !== rows) book.violate(`${decisions.size} decisions in the audit log of ${rows}`, null);
  book.count('audit entries', entries);
}

/** Every grant that was ever issued: no counter of a key is in two of them, but for the tap that is paid again. */
async function checkKeySerialNumbers(book: Book, view: OutsideView): Promise<void> {
  const pins = new Set<string>();
  const taps = new Map<string, string>();
  let all = 0;
  for await (const { id, payload } of pages<GrantRow>(view, 'id', 'SELECT id, payload FROM transaction_grant')) {
    all += 1;
    const grant = decodeGrant(payload);
    if (!grant.ok) throw new Error(grant.reason);
    const { pinKsn, accountDataKsn, sameTap } = grant.value;
    const [pin, account] = [pinKsn.toString('hex'), accountDataKsn.toString('hex')];
    if (pins.has(pin)) book.violate(`a PIN key's counter in two grants: ${pin}, ${id}`, null);
    pins.add(pin);
    const root = sameTap?.rootId ?? id;
    if ((taps.get(account) ?? root) !== root) book.violate(`a data key's counter in two taps: ${account}, ${id}`, null);
    taps.set(account, root);
  }
  for (const pin of pins) if (taps.has(pin)) book.violate(`one serial number of two keys: ${pin}`, null);
  book.count('grants', all);
}

/** All rows of a table by its key, which is a UUID. */
async function* pages<Row extends object>(
  view: OutsideView,
  key: keyof Row & string,
  select: string,
): AsyncGenerator<Row> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const rows = await view.rows<Row>(`${select} WHERE ${key} > $1 ORDER BY ${key} LIMIT ${PAGE}`, [after]);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = String(last[key]);
  }
}
