import { equalBytes } from '../../encoding/digest.ts';
import { ok, refuse } from '../../reasons/result.ts';
import { cmac } from '../cmac.ts';
import type { PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';
import { SecretKey } from '../secret-key.ts';
import { type KeyBlockVersion, versionMacBytes } from './header.ts';

/** Usage of a key derived from the KBPK (TR-31:2018 5.3.2, ISO 20038:2017 6.3). */
const DERIVED_USAGE = { cbc: 0x0000, mac: 0x0001, ctr: 0x0002 } as const;

const ENCRYPTION_VARIANT = 0x45;
const MAC_VARIANT = 0x4d;

/** Derivation code of the KBPK's own algorithm: 0 two-key TDEA, 1 three-key TDEA, 2 to 4 AES. */
function algorithmCode(kbpk: SecretKey): number {
  if (kbpk.algorithm === 'AES') return kbpk.bits / 64;
  return kbpk.bits === 128 ? 0 : 1;
}

/**
 * Derivation binding: CMAC blocks over counter (1) | usage (2) | `00` | algorithm (2) | bits (2), cut to the KBPK's own
 * length.
 */
function deriveBlockKey(kbpk: SecretKey, usage: keyof typeof DERIVED_USAGE): SecretKey {
  const input = Buffer.alloc(8);
  input.writeUInt16BE(DERIVED_USAGE[usage], 1);
  input.writeUInt16BE(algorithmCode(kbpk), 4);
  input.writeUInt16BE(kbpk.bits, 6);
  const material = new Uint8Array(new ArrayBuffer(kbpk.length));
  for (let at = 0; at < kbpk.length; at += kbpk.blockBytes) {
    input[0] = at / kbpk.blockBytes + 1;
    const block = cmac(kbpk, input);
    material.set(block.subarray(0, Math.min(block.length, kbpk.length - at)), at);
    block.fill(0);
  }
  return SecretKey.ofOwned(kbpk.algorithm, material);
}

/** Variant binding of versions A and C: every byte of the KBPK XOR `E` or `M`. */
function variantKey(kbpk: SecretKey, variant: number): SecretKey {
  return kbpk.use((bytes) => {
    const material = new Uint8Array(new ArrayBuffer(bytes.length));
    for (const [at, byte] of bytes.entries()) material[at] = byte ^ variant;
    return SecretKey.ofOwned('TDES', material);
  });
}

function blockKeys(version: KeyBlockVersion, kbpk: SecretKey): { encryption: SecretKey; mac: SecretKey } {
  if (version === 'A' || version === 'C')
    return { encryption: variantKey(kbpk, ENCRYPTION_VARIANT), mac: variantKey(kbpk, MAC_VARIANT) };
  return { encryption: deriveBlockKey(kbpk, version === 'E' ? 'ctr' : 'cbc'), mac: deriveBlockKey(kbpk, 'mac') };
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
      const bound = Buffer.concat([Buffer.from(header, 'latin1'), clear]);
      const mac = cmac(macKey, bound);
      bound.fill(0);
      return { mac, ciphertext: encryption.cipherIn(version === 'E' ? 'ctr' : 'cbc', mac).update(clear) };
    });
  } finally {
    encryption.wipe();
    macKey.wipe();
  }
}

function openVariant(keys: { encryption: SecretKey; mac: SecretKey }, header: string, sealed: ProtectedPayload) {
  const headerBytes = Buffer.from(header, 'latin1');
  const bound = Buffer.concat([headerBytes, sealed.ciphertext]);
  // A header that fills no whole block is padded with zeros for the CBC-MAC, as ISO 16609 does.
  const whole = Buffer.alloc(Math.ceil(bound.length / 8) * 8);
  bound.copy(whole);
  const chain = keys.mac.cipherIn('cbc', new Uint8Array(8)).update(whole);
  if (!equalBytes(chain.subarray(-8, -4), sealed.mac)) return undefined;
  return keys.encryption.decipherIn('cbc', headerBytes.subarray(0, 8)).update(sealed.ciphertext);
}

function openDerivation(
  version: KeyBlockVersion,
  keys: { encryption: SecretKey; mac: SecretKey },
  header: string,
  sealed: ProtectedPayload,
) {
  const clear = keys.encryption.decipherIn(version === 'E' ? 'ctr' : 'cbc', sealed.mac).update(sealed.ciphertext);
  const bound = Buffer.concat([Buffer.from(header, 'latin1'), clear]);
  const genuine = equalBytes(cmac(keys.mac, bound), sealed.mac);
  bound.fill(0);
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
