import { equalBytes } from '../../encoding/digest.ts';
import { ok, refuse } from '../../reasons/result.ts';
import { cmac, shortCmacs } from '../cmac.ts';
import type { PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';
import { SecretKey } from '../secret-key.ts';
import { type KeyBlockVersion, versionMacBytes } from './header.ts';

/** Usage of a key derived from the KBPK (TR-31:2018 5.3.2, ISO 20038:2017 6.3). */
const DERIVED_USAGE = { cbc: 0x0000, mac: 0x0001, ctr: 0x0002 } as const;

const ENCRYPTION_VARIANT = 0x45;
const MAC_VARIANT = 0x4d;

/** The two keys of a block, from its KBPK. */
interface BlockKeys {
  readonly encryption: SecretKey;
  readonly mac: SecretKey;
}

/** Derivation code of the KBPK's own algorithm: 0 two-key TDEA, 1 three-key TDEA, 2 to 4 AES. */
function algorithmCode(kbpk: SecretKey): number {
  if (kbpk.algorithm === 'AES') return kbpk.bits / 64;
  return kbpk.bits === 128 ? 0 : 1;
}

/**
 * Inputs of a key's derivation: counter (1) | usage (2) | `00` | algorithm (2) | bits (2), one for each block of the key.
 */
function derivationInputs(usage: keyof typeof DERIVED_USAGE, kbpk: SecretKey): Buffer[] {
  const inputs: Buffer[] = [];
  for (let block = 1; (block - 1) * kbpk.blockBytes < kbpk.length; block++) {
    const input = Buffer.alloc(8);
    input[0] = block;
    input[2] = DERIVED_USAGE[usage];
    input[5] = algorithmCode(kbpk);
    input.writeUInt16BE(kbpk.bits, 6);
    inputs.push(input);
  }
  return inputs;
}

/** Derivation binding: CMACs under the KBPK, as many for each key as its length takes, which is the KBPK's own. */
function derivedKeys(kbpk: SecretKey, encryptionUsage: 'cbc' | 'ctr'): BlockKeys {
  const { algorithm, length, blockBytes } = kbpk;
  const inputs = [...derivationInputs(encryptionUsage, kbpk), ...derivationInputs('mac', kbpk)];
  const material = shortCmacs(kbpk, inputs);
  const keyBytes = (inputs.length / 2) * blockBytes;
  const [encryption, mac] = [material.subarray(0, keyBytes), material.subarray(keyBytes)];
  for (const beyond of [encryption, mac]) beyond.fill(0, length);
  return {
    encryption: SecretKey.ofOwned(algorithm, encryption.subarray(0, length)),
    mac: SecretKey.ofOwned(algorithm, mac.subarray(0, length)),
  };
}

/** Variant binding of versions A and C: every byte of the KBPK XOR `E` or `M`. */
function variantKey(kbpk: SecretKey, variant: number): SecretKey {
  return kbpk.use((bytes) => {
    const material = new Uint8Array(new ArrayBuffer(bytes.length));
    for (const [at, byte] of bytes.entries()) material[at] = byte ^ variant;
    return SecretKey.ofOwned('TDES', material);
  });
}

function blockKeys(version: KeyBlockVersion, kbpk: SecretKey): BlockKeys {
  if (version === 'A' || version === 'C')
    return { encryption: variantKey(kbpk, ENCRYPTION_VARIANT), mac: variantKey(kbpk, MAC_VARIANT) };
  return derivedKeys(kbpk, version === 'E' ? 'ctr' : 'cbc');
}

/** True where the KBPK's algorithm is the one of the version: TDEA for A to C, AES for D and E. */
export function kbpkFits(version: KeyBlockVersion, kbpk: SecretKey): boolean {
  return kbpk.algorithm === (version === 'D' || version === 'E' ? 'AES' : 'TDES');
}

/** A protected payload: enciphered, and the MAC that binds it to its header. */
export interface ProtectedPayload {
  readonly ciphertext: Buffer;
  readonly mac: Buffer;
}

/**
 * Protects a payload (2-byte length, key, padding) under a header: versions B, D and E. The MAC is over header and clear
 * payload, and is the IV of the encryption. The payload is whole cipher blocks but in version E.
 */
export function protectPayload(
  version: 'B' | 'D' | 'E',
  kbpk: SecretKey,
  header: string,
  payload: SecretBytes,
): ProtectedPayload {
  const { encryption, mac: macKey } = blockKeys(version, kbpk);
  try {
    return payload.use((clear) => {
      const mac = cmac(macKey, Buffer.from(header, 'latin1'), clear);
      return { mac, ciphertext: encryption.cipherIn(version === 'E' ? 'ctr' : 'cbc', mac).update(clear) };
    });
  } finally {
    encryption.wipe();
    macKey.wipe();
  }
}

function openVariant(keys: BlockKeys, header: string, sealed: ProtectedPayload) {
  const headerBytes = Buffer.from(header, 'latin1');
  const bound = Buffer.concat([headerBytes, sealed.ciphertext]);
  // A header that fills no whole block is padded with zeros for the CBC-MAC, as ISO 16609 does.
  const whole = Buffer.alloc(Math.ceil(bound.length / 8) * 8);
  bound.copy(whole);
  const chain = keys.mac.cipherIn('cbc', new Uint8Array(8)).update(whole);
  if (!equalBytes(chain.subarray(-8, -4), sealed.mac)) return undefined;
  return keys.encryption.decipherIn('cbc', headerBytes.subarray(0, 8)).update(sealed.ciphertext);
}

function openDerivation(version: KeyBlockVersion, keys: BlockKeys, header: string, sealed: ProtectedPayload) {
  const clear = keys.encryption.decipherIn(version === 'E' ? 'ctr' : 'cbc', sealed.mac).update(sealed.ciphertext);
  const genuine = equalBytes(cmac(keys.mac, Buffer.from(header, 'latin1'), clear), sealed.mac);
  if (genuine) return clear;
  clear.fill(0);
  return undefined;
}

/**
 * Opens a payload of any version. The MAC is compared in constant time before a byte of the clear payload is looked at.
 * Refuses with KBPK_ALGORITHM, or with KEY_BLOCK_MAC: a wrong KBPK, or a header or payload that was changed. The caller
 * wipes the clear payload.
 */
export function openPayload(
  version: KeyBlockVersion,
  kbpk: SecretKey,
  header: string,
  sealed: ProtectedPayload,
): PaymentResult<SecretBytes, 'KBPK_ALGORITHM' | 'KEY_BLOCK_MAC'> {
  if (!kbpkFits(version, kbpk)) return refuse('KBPK_ALGORITHM');
  if (sealed.mac.length !== versionMacBytes(version)) return refuse('KEY_BLOCK_MAC');
  const keys = blockKeys(version, kbpk);
  try {
    const variant = version === 'A' || version === 'C';
    const clear = variant ? openVariant(keys, header, sealed) : openDerivation(version, keys, header, sealed);
    return clear === undefined ? refuse('KEY_BLOCK_MAC') : ok(SecretBytes.owning(clear));
  } finally {
    keys.encryption.wipe();
    keys.mac.wipe();
  }
}
