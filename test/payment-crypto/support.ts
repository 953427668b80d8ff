import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { hexOf } from '../../src/payment-crypto/hex.ts';
import { AesKsn, InitialKeyId, TdesKsn } from '../../src/payment-crypto/ksn.ts';
import { ClearPin } from '../../src/payment-crypto/pin-block/clear-pin.ts';
import { Pan } from '../../src/payment-crypto/pin-block/pan.ts';
import type { SecretBytes } from '../../src/payment-crypto/secret.ts';
import { type KeyAlgorithm, SecretKey } from '../../src/payment-crypto/secret-key.ts';
import type { Random } from '../../src/ports/random.ts';
import type { Result } from '../../src/reasons/result.ts';

/** The value of a result that the test expects to succeed. */
export function accepted<T>(result: Result<T, string>): T {
  if (!result.ok) throw new Error(`refused: ${result.reason} ${result.detail ?? ''}`);
  return result.value;
}

/** The reason of a result, or 'accepted'. */
export function reasonOf(result: Result<unknown, string>): string {
  return result.ok ? 'accepted' : result.reason;
}

export function bytes(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

export function hex(secret: SecretBytes): string {
  return secret.use(hexOf);
}

export function key(algorithm: KeyAlgorithm, text: string): SecretKey {
  return accepted(SecretKey.parse(algorithm, bytes(text)));
}

export function ikid(text: string): InitialKeyId {
  return accepted(InitialKeyId.parse(text));
}

export function ksn(text: string): AesKsn {
  return accepted(AesKsn.parse(text));
}

export function tdesKsn(text: string): TdesKsn {
  return accepted(TdesKsn.parse(text));
}

export function pin(digits: string): ClearPin {
  return accepted(ClearPin.parse(Buffer.from(digits, 'latin1')));
}

export function pan(digits: string): Pan {
  return accepted(Pan.parse(Buffer.from(digits, 'latin1')));
}

export function pinDigits(clear: ClearPin): string {
  return clear.use((digits) => [...digits].join(''));
}

/** Random bytes that are the same in every run: SHA-256 of a counter. */
export function seededRandom(seed: string): Random {
  let counter = 0;
  return {
    bytes(length) {
      const parts: Buffer[] = [];
      for (let made = 0; made < length; made += 32) {
        parts.push(createHash('sha256').update(`${seed}/${counter++}`).digest());
      }
      return Buffer.concat(parts).subarray(0, length);
    },
  };
}

/** An RSA public key of a modulus that was never two primes, of so many bits: good for reading and enciphering. */
export function rsaPublicKey(bits: number): KeyObject {
  const modulus = Buffer.alloc(Math.ceil(bits / 8), 0xa5);
  modulus[0] = bits % 8 === 0 ? 0x80 : 1 << ((bits % 8) - 1);
  const n = modulus.toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
}
