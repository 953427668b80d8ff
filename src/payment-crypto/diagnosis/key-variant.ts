import { type KeyAlgorithm, SecretKey } from '../secret-key.ts';
import type { Fault } from './diagnose.ts';

/** A key as it may have been entered in the place of the given one. */
export interface KeyVariant {
  readonly fault: Fault;
  readonly says: string;
  readonly key: SecretKey;
}

function parsed(algorithm: KeyAlgorithm, bytes: Uint8Array): SecretKey | undefined {
  const key = SecretKey.parse(algorithm, bytes);
  bytes.fill(0);
  return key.ok ? key.value : undefined;
}

function changed(key: SecretKey, change: (bytes: Uint8Array) => Uint8Array): SecretKey | undefined {
  return key.use((bytes) => parsed(key.algorithm, change(bytes)));
}

function swapped(bytes: Uint8Array): Uint8Array {
  const half = bytes.length / 2;
  return Buffer.concat([bytes.subarray(half), bytes.subarray(0, half)]);
}

/** Odd parity in the lowest bit of every byte, as DEA keys have it. */
function withOddParity(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (byte) => {
    let ones = 0;
    for (let rest = byte >>> 1; rest > 0; rest >>>= 1) ones += rest & 1;
    return (byte & 0xfe) | ((ones & 1) ^ 1);
  });
}

/** K1 | K2 as K1 | K2 | K1, and back: the same cipher, and another key to whoever derives from its length. */
function otherLength(bytes: Uint8Array): Uint8Array {
  return bytes.length === 16 ? Buffer.concat([bytes, bytes.subarray(0, 8)]) : Buffer.from(bytes.subarray(0, 16));
}

function otherAlgorithm(key: SecretKey): SecretKey | undefined {
  if (key.algorithm === 'HMAC') return undefined;
  return key.use((bytes) => parsed(key.algorithm === 'AES' ? 'TDES' : 'AES', Uint8Array.from(bytes)));
}

/**
 * What a key is confused with: halves or bytes in the other order, parity set, the other algorithm or length. `name` is
 * what the key is called in sentences. A TDEA key's parity changes nothing that it enciphers and is left out.
 */
export function keyVariants(key: SecretKey, name: string): KeyVariant[] {
  const candidates: [Fault, string, SecretKey | undefined][] = [
    ['KEY_HALVES', `The halves of the ${name} are swapped.`, changed(key, swapped)],
    [
      'KEY_BYTE_ORDER',
      `The bytes of the ${name} are in reverse order.`,
      changed(key, (bytes) => Uint8Array.from(bytes).reverse()),
    ],
  ];
  if (key.algorithm === 'AES') {
    const says = `The other side has set DEA parity on the ${name}, an AES key, and so changed it.`;
    candidates.push(['KEY_PARITY', says, changed(key, withOddParity)]);
  } else if (key.algorithm === 'TDES') {
    const says =
      key.bits === 128
        ? `The other side holds the ${name} as a three-key TDEA key, K1 | K2 | K1.`
        : `The other side holds the ${name} as a two-key TDEA key, K1 | K2.`;
    candidates.push(['KEY_LENGTH', says, changed(key, otherLength)]);
  }
  const other = key.algorithm === 'AES' ? 'a TDEA key' : 'an AES key';
  candidates.push(['KEY_ALGORITHM', `The other side takes the ${name} for ${other}.`, otherAlgorithm(key)]);
  return candidates.flatMap(([fault, says, variant]) => (variant === undefined ? [] : [{ fault, says, key: variant }]));
}
