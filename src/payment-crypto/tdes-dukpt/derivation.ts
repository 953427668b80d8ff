import { initialSerialNumber, type TdesKsn } from '../ksn.ts';
import { SecretKey } from '../secret-key.ts';
import { singleDes } from '../single-des.ts';

const HALF = 8;
/** C0C0C0C000000000, twice: makes the left half of every derived key (X9.24-1:2009 Annex A). */
const LEFT_VARIANT = Buffer.from('C0C0C0C000000000C0C0C0C000000000', 'hex');

/** A copy of a two-key TDEA key XOR a mask. The caller wipes it. */
export function variantOf(key: SecretKey, mask: Uint8Array): SecretKey {
  if (key.algorithm !== 'TDES' || key.bits !== 128) throw new TypeError('TDEA DUKPT keys are two-key TDEA keys');
  return key.use((bytes) => {
    const material = new Uint8Array(new ArrayBuffer(bytes.length));
    for (const [at, byte] of bytes.entries()) material[at] = byte ^ (mask[at] ?? 0);
    return SecretKey.ofOwned('TDES', material);
  });
}

/** A two-key TDEA key of its halves, which are wiped. */
function keyOfHalves(left: Buffer, right: Buffer): SecretKey {
  const material = new Uint8Array(new ArrayBuffer(2 * HALF));
  material.set(left);
  material.set(right, HALF);
  left.fill(0);
  right.fill(0);
  return SecretKey.ofOwned('TDES', material);
}

/**
 * Initial key of a device: E(BDK, initial serial number), then the same under the BDK's variant (X9.24-1:2009 A.6). The
 * serial number is the KSN's first 8 bytes with the counter at zero. The caller wipes the key.
 */
export function deriveTdesInitialKey(bdk: SecretKey, ksn: Uint8Array): SecretKey {
  const serial = initialSerialNumber(ksn).subarray(0, HALF);
  const variant = variantOf(bdk, LEFT_VARIANT);
  const key = keyOfHalves(bdk.encipher(serial), variant.encipher(serial));
  variant.wipe();
  return key;
}

/** One half of the next key: E(left, register ⊕ right) ⊕ right, with single DEA. */
function nextHalf(key: SecretKey, register: Uint8Array): Buffer {
  return key.use((bytes) => {
    const right = bytes.subarray(HALF);
    const input = Buffer.alloc(HALF);
    for (let at = 0; at < HALF; at++) input[at] = (register[at] ?? 0) ^ (right[at] ?? 0);
    const left = singleDes(bytes.subarray(0, HALF));
    const output = left.encipher(input);
    for (let at = 0; at < HALF; at++) output[at] = (output[at] ?? 0) ^ (right[at] ?? 0);
    left.wipe();
    input.fill(0);
    return output;
  });
}

/** Non-reversible key generation (X9.24-1:2009 Annex A): the right half from the key, the left half from its variant. */
function nextKey(key: SecretKey, register: Uint8Array): SecretKey {
  const variant = variantOf(key, LEFT_VARIANT);
  const right = nextHalf(key, register);
  const left = nextHalf(variant, register);
  variant.wipe();
  return keyOfHalves(left, right);
}

/**
 * Transaction key at a KSN: the host's walk from the most significant bit of the 21-bit counter, with the rightmost 8
 * bytes of the serial number as register (X9.24-1:2009 Annex A). Working keys are its variants. The caller wipes it.
 */
export function deriveTdesTransactionKey(initialKey: SecretKey, ksn: TdesKsn): SecretKey {
  const register = ksn.initialSerialNumber.subarray(2);
  let key = initialKey;
  for (let bit = 0x10_0000; bit !== 0; bit >>>= 1) {
    if ((ksn.counter & bit) === 0) continue;
    register.writeUInt32BE((register.readUInt32BE(4) | bit) >>> 0, 4);
    const next = nextKey(key, register);
    if (key !== initialKey) key.wipe();
    key = next;
  }
  return key;
}
