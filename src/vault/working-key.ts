import { workingKeyFromBdk } from '../payment-crypto/aes-dukpt/host.ts';
import type { WorkingKeyUsage } from '../payment-crypto/aes-dukpt/key-type.ts';
import { AesKsn, InitialKeyId } from '../payment-crypto/ksn.ts';
import type { SecretKey } from '../payment-crypto/secret-key.ts';
import type { BaseDerivationKey } from './keys.ts';

/** An initial key id (8 bytes) of this BDK; null for any other and for bytes that are none. */
export function initialKeyIdOf(bytes: Uint8Array, bdk: BaseDerivationKey): InitialKeyId | null {
  const parsed = InitialKeyId.parse(bytes);
  return parsed.ok && parsed.value.bdkId === bdk.id.readUInt32BE() ? parsed.value : null;
}

/** A key serial number (12 bytes) of this BDK; null for any other and for bytes that are none. */
export function ksnOf(bytes: Uint8Array, bdk: BaseDerivationKey): AesKsn | null {
  const parsed = AesKsn.parse(bytes);
  return parsed.ok && initialKeyIdOf(parsed.value.initialKeyId.toBytes(), bdk) !== null ? parsed.value : null;
}

/** An AES-128 working key at a KSN (X9.24-3). The caller wipes it; nothing of the derivation is kept. */
export function workingKeyAt(ksn: AesKsn, usage: WorkingKeyUsage, bdk: BaseDerivationKey): SecretKey {
  const key = workingKeyFromBdk(bdk.key, ksn, usage, 'AES128');
  if (!key.ok) throw new TypeError(`a base derivation key: ${key.reason}`);
  return key.value;
}
