import { createHash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { StatementSync } from 'node:sqlite';
import { SqliteLedger } from '../../../../src/virtual/processing/ledger.ts';

// Pays orders 0, 1, 2… of one merchant, every one with this writer's own intent, and says after each step what is done.
const [path = '', writer = '', orders = '0', diesAfter = 'never'] = process.argv.slice(2);

// Killed between two statements of a transaction, or between the last one and its commit.
let written = 0;
const { run } = StatementSync.prototype;
Object.defineProperty(StatementSync.prototype, 'run', {
  value(this: StatementSync, ...parameters: unknown[]): unknown {
    const result: unknown = Reflect.apply(run, this, parameters);
    written += 1;
    if (String(written) === diesAfter) process.kill(process.pid, 'SIGKILL');
    return result;
  },
});
const ledger = new SqliteLedger(path);
// Each line costs a byte of standard input, so that the reader decides how far ahead the writer may be.
const say = (line: string): void => {
  writeSync(1, `${line}\n`);
  readSync(0, Buffer.alloc(1));
};

for (let number = 0; number < Number(orders); number += 1) {
  const attempt = {
    merchant: 'corner-shop',
    order: `o-${number}`,
    amountMinor: BigInt(number + 1),
    currency: 978,
    intentHash: createHash('sha256').update(`${writer} ${number}`).digest(),
    thumbprint: writer,
    receipt: `receipt of ${writer}`,
    cardReference: 'card',
  };
  const admission = ledger.admit(attempt, new Date());
  say(`admitted ${number} ${admission.kind}`);
  if (admission.kind === 'settled') continue;
  if (admission.kind === 'open') ledger.supersede(attempt, admission.intentHash, new Date());
  if (ledger.pay(attempt, false, new Date())) say(`paid ${number}`);
}
ledger.close();
say('done');
