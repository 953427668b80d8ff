import { useOf } from '../keys/state.ts';
import { workingKeyFromBdk } from '../payment-crypto/aes-dukpt/host.ts';
import type { WorkingKeyUsage } from '../payment-crypto/aes-dukpt/key-type.ts';
import { AesKsn, InitialKeyId } from '../payment-crypto/ksn.ts';
import type { SecretKey } from '../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { BaseDerivationKey, KeyDomain, KeyUse, VaultKeys } from './keys.ts';

/** Why an identifier leads to no base derivation key. `BDK_UNKNOWN`: malformed, of the other domain, or of none. */
export type BdkFault = 'BDK_UNKNOWN' | 'BASE_KEY_RETIRED' | 'BASE_KEY_COMPROMISED';

/** An initial key id and the base derivation key that it comes from. */
export interface LocatedInitialKey {
  readonly initialKeyId: InitialKeyId;
  readonly bdk: BaseDerivationKey;
}

/** A key serial number and the base derivation key that its keys come from. */
export interface LocatedKsn {
  readonly ksn: AesKsn;
  readonly bdk: BaseDerivationKey;
}

function bdkOf(id: InitialKeyId, domain: KeyDomain, keys: VaultKeys, use: KeyUse): Result<BaseDerivationKey, BdkFault> {
  const active = domain === 'pin' ? keys.pinBdk : keys.accountDataBdk;
  if (id.bdkId === active.id.readUInt32BE()) return ok(active);
  const other = keys.otherBdks.get(id.bdkId.toString(16).toUpperCase().padStart(8, '0'));
  if (other === undefined || other.domain !== domain || other.state === 'prepared') return refuse('BDK_UNKNOWN');
  if (other.bdk !== null && useOf(other.state)[use]) return ok(other.bdk);
  return refuse(other.state === 'compromised' ? 'BASE_KEY_COMPROMISED' : 'BASE_KEY_RETIRED');
}

/** An initial key id (8 bytes) of a domain's base derivation key that still serves. */
export function locateInitialKey(
  bytes: Uint8Array,
  domain: KeyDomain,
  keys: VaultKeys,
): Result<LocatedInitialKey, BdkFault> {
  const parsed = InitialKeyId.parse(bytes);
  if (!parsed.ok) return refuse('BDK_UNKNOWN');
  const bdk = bdkOf(parsed.value, domain, keys, 'serves');
  return bdk.ok ? ok({ initialKeyId: parsed.value, bdk: bdk.value }) : bdk;
}

/** A key serial number (12 bytes) of a domain's base derivation key that is still good for this use. */
export function locateKsn(
  bytes: Uint8Array,
  domain: KeyDomain,
  keys: VaultKeys,
  use: KeyUse = 'serves',
): Result<LocatedKsn, BdkFault> {
  const parsed = AesKsn.parse(bytes);
  if (!parsed.ok) return refuse('BDK_UNKNOWN');
  const bdk = bdkOf(parsed.value.initialKeyId, domain, keys, use);
  return bdk.ok ? ok({ ksn: parsed.value, bdk: bdk.value }) : bdk;
}

/** An AES-128 working key at a KSN (X9.24-3). The caller wipes it; nothing of the derivation is kept. */
export function workingKeyAt({ ksn, bdk }: LocatedKsn, usage: WorkingKeyUsage): SecretKey {
  const key = workingKeyFromBdk(bdk.key, ksn, usage, 'AES128');
  if (!key.ok) throw new TypeError(`a base derivation key: ${key.reason}`);
  return key.value;
}

/** A fault as its reason; `unknown` is the reason of an identifier that leads nowhere. */
export function bdkRefusal<R extends string>(
  { reason }: { readonly reason: BdkFault },
  unknown: R,
  detail?: string,
): { readonly ok: false; readonly reason: R | Exclude<BdkFault, 'BDK_UNKNOWN'>; readonly detail?: string } {
  return reason === 'BDK_UNKNOWN' ? refuse(unknown, detail) : refuse(reason, detail);
}
