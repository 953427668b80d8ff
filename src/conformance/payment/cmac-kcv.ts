import { cmac, verifyCmac } from '../../payment-crypto/cmac.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { hexField, type ItemChecks, keyField, type VectorFormat } from './item.ts';
import { type JsonObject, text, type VectorObject } from './json.ts';

function keyOf(item: JsonObject, checks: ItemChecks): SecretKey | undefined {
  const algorithm = (text(item, 'alg') ?? text(item, 'algorithm') ?? '').toUpperCase();
  return keyField(checks, 'key', algorithm.startsWith('AES') ? 'AES' : 'TDES', text(item, 'key') ?? '');
}

function checkCmac({ own }: VectorObject, checks: ItemChecks): void {
  const key = keyOf(own, checks);
  const message = hexField(checks, 'data', text(own, 'data') ?? '');
  const expected = text(own, 'cmac') ?? '';
  const received = hexField(checks, 'cmac', expected);
  if (key === undefined || message === undefined || received === undefined) return;
  if (own.valid === false) {
    checks.that('a defective CMAC is refused', !verifyCmac(key, message, received));
    return;
  }
  checks.bytes('cmac', cmac(key, message).subarray(0, received.length), expected);
  checks.that('cmac is verified', received.length < key.blockBytes / 2 || verifyCmac(key, message, received));
  received[0] = (received[0] ?? 0) ^ 1;
  checks.that('a changed cmac is refused', !verifyCmac(key, message, received));
}

function checkKcv({ own }: VectorObject, checks: ItemChecks): void {
  const key = keyOf(own, checks);
  const expected = text(own, 'kcv') ?? '';
  if (key === undefined) return;
  const stated = text(own, 'method');
  const method = stated === undefined ? undefined : /cmac/i.test(stated) ? 'cmac' : 'legacy';
  const value = keyCheckValue(key, method, expected.length / 2);
  if (own.valid === false) checks.that('a defective KCV differs', !value.equals(Buffer.from(expected, 'hex')));
  else checks.bytes('kcv', value, expected);
}

/** CMAC of AES and TDEA (SP 800-38B). */
export const CMAC: VectorFormat = {
  name: 'CMAC',
  matches: ({ own }) => ['key', 'data', 'cmac'].every((name) => text(own, name) !== undefined),
  check: checkCmac,
};

/** Key check values of both methods. */
export const KCV: VectorFormat = {
  name: 'KCV',
  matches: ({ own }) => ['key', 'kcv'].every((name) => text(own, name) !== undefined) && own.keyBlock === undefined,
  check: checkKcv,
};
