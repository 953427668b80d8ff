import type { SecretKey } from './secret-key.ts';
import { singleDes } from './single-des.ts';

const BLOCK = 8;

/**
 * Retail MAC: ISO 9797-1 algorithm 3 with padding method 1 (zeros), 8 bytes of which X9.24-1 takes the leftmost 4. The
 * key is a two-key TDEA key; any other is a bug and throws TypeError.
 */
export function retailMac(key: SecretKey, message: Uint8Array): Buffer {
  if (key.algorithm !== 'TDES' || key.bits !== 128) throw new TypeError('a retail MAC takes a two-key TDEA key');
  const padded = Buffer.alloc(Math.max(Math.ceil(message.length / BLOCK), 1) * BLOCK);
  padded.set(message);
  const left = key.use((bytes) => singleDes(bytes.subarray(0, BLOCK)));
  const right = key.use((bytes) => singleDes(bytes.subarray(BLOCK)));
  const chain = left.cipherIn('cbc', new Uint8Array(BLOCK)).update(padded);
  const between = right.decipher(chain.subarray(chain.length - BLOCK));
  const mac = left.encipher(between);
  left.wipe();
  right.wipe();
  for (const clear of [padded, chain, between]) clear.fill(0);
  return mac;
}
