import {
  AES_COUNTER,
  type CounterRule,
  isTransactionCounter,
  maximumCounter,
  nextCounter,
  TDES_COUNTER,
  totalTransactions,
} from '../../payment-crypto/dukpt-counter.ts';
import type { ItemChecks, VectorFormat } from './item.ts';
import { text, type VectorObject } from './json.ts';

const RULES: readonly CounterRule[] = [AES_COUNTER, TDES_COUNTER];

function check({ own }: VectorObject, checks: ItemChecks): void {
  const rule = RULES.find(({ counterBits }) => counterBits === own.tcBits);
  checks.that('tcBits is of a known counter', rule !== undefined);
  if (rule === undefined) return;
  checks.that('maxOneBits', rule.maxOneBits === own.maxOneBits);
  const total = own.totalTransactions;
  if (total !== undefined) checks.that('totalTransactions', totalTransactions(rule) === total);
  const last = text(own, 'tcMax');
  if (last !== undefined) {
    checks.that('tcMax', maximumCounter(rule) === Number.parseInt(last, 16));
    checks.that('tcMax is the last', nextCounter(rule, maximumCounter(rule)) === undefined);
  }
  for (const pair of Array.isArray(own.sequence) ? own.sequence : []) {
    const [from, to] = Array.isArray(pair) ? pair.map((counter) => Number.parseInt(String(counter), 16)) : [];
    const legal = isTransactionCounter(rule, from ?? 0) && isTransactionCounter(rule, to ?? 0);
    checks.that(`sequence ${JSON.stringify(pair)}`, legal && nextCounter(rule, from ?? 0) === to);
  }
}

/** Counter rules of DUKPT: width, one-bits, last counter, successors. */
export const COUNTER_RULE: VectorFormat = {
  name: 'DUKPT counter rule',
  matches: ({ own }) => typeof own.maxOneBits === 'number',
  check,
};
