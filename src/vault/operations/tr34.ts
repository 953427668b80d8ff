import { NAME_FORM } from '../../certs/uri-name.ts';
import { sha256 } from '../../encoding/digest.ts';
import type {
  RequestTr34KeyAnswer,
  RequestTr34KeyCall,
  Tr34CredentialAnswer,
  Tr34CredentialCall,
} from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { PaymentCryptoReason } from '../../payment-crypto/reason.ts';
import type { Tr34Certificate } from '../../payment-crypto/tr34/certificate.ts';
import { formatDeviceCredential, formatHostCredential } from '../../payment-crypto/tr34/credential.ts';
import { formatRandomNumberToken } from '../../payment-crypto/tr34/random-number.ts';
import { checkNotRevoked } from '../../payment-crypto/tr34/revocation-list.ts';
import { ok, type Refusal, type Result, refuse } from '../../reasons/result.ts';
import type { Custodian } from '../keystore/custodian.ts';
import { readBinding } from '../keystore/tr34-slot.ts';
import type { VaultPorts } from '../ports.ts';
import { custodyRefusal } from './key-slots.ts';

/** Why nothing goes through TR-34. */
export type Tr34Fault =
  | 'TR34_NOT_BOUND'
  | 'TR34_RANDOM_NUMBER_UNKNOWN'
  | 'TR34_CERTIFICATE_REFUSED'
  | 'TR34_TOKEN_REFUSED'
  | 'KEY_DEVIATION'
  | 'KEY_ATTRIBUTES_MISMATCH';

const FAULTS: Partial<Readonly<Record<PaymentCryptoReason, Tr34Fault>>> = {
  TR34_CERTIFICATE: 'TR34_CERTIFICATE_REFUSED',
  TR34_CERTIFICATE_EXPIRED: 'TR34_CERTIFICATE_REFUSED',
  TR34_CERTIFICATE_REVOKED: 'TR34_CERTIFICATE_REFUSED',
  TR34_CRL: 'TR34_CERTIFICATE_REFUSED',
  TR34_CRL_STALE: 'TR34_CERTIFICATE_REFUSED',
  TR34_RANDOM_NUMBER: 'TR34_RANDOM_NUMBER_UNKNOWN',
  TR34_DEVIATION: 'KEY_DEVIATION',
  KEY_LENGTH: 'KEY_ATTRIBUTES_MISMATCH',
};

/** A refusal of TR-34's primitives in the words of the catalogue; the detail keeps the primitive's own. */
export function tr34Fault({ reason, detail }: Refusal<PaymentCryptoReason>): Refusal<Tr34Fault> {
  const fault = FAULTS[reason] ?? 'TR34_TOKEN_REFUSED';
  return refuse(fault, fault === 'KEY_DEVIATION' ? detail : `${reason} ${detail ?? ''}`.trim());
}

function endOf({ der, notAfter }: Tr34Certificate): { readonly fingerprint: Buffer; readonly notAfter: bigint } {
  return { fingerprint: sha256(der), notAfter: BigInt(notAfter) };
}

/**
 * The credential of a role of TR-34 for an acquirer, CT-KRD or CT-KDH, and the fingerprints of both ends of the binding.
 * A host's credential carries its authority's revocation list, which the receiver judges; what it is read by here is
 * form alone.
 */
export function tr34Credential(
  { acquirer, host, revocationList }: Tr34CredentialCall,
  custodian: Custodian,
): Result<Tr34CredentialAnswer> {
  if (!NAME_FORM.test(acquirer)) return refuse('MALFORMED_MESSAGE', 'acquirer');
  if (host !== revocationList.length > 0) return refuse('MALFORMED_MESSAGE', 'revocation list');
  const binding = custodian.read((keystore) => readBinding(keystore, host ? 'host' : 'device', acquirer));
  if (!binding.ok) return custodyRefusal(binding);
  const own = endOf(binding.value.own);
  const bound = endOf(binding.value.bound.certificate);
  const credentialToken = host
    ? formatHostCredential(binding.value.own, revocationList)
    : formatDeviceCredential(binding.value.own);
  return ok({
    credentialToken,
    ownFingerprint: own.fingerprint,
    ownNotAfter: own.notAfter,
    boundFingerprint: bound.fingerprint,
    boundNotAfter: bound.notAfter,
  });
}

/** A new random number for one key token of the acquirer's host, where one is bound. */
export function requestTr34Key(
  { acquirer }: RequestTr34KeyCall,
  custodian: Custodian,
  ports: VaultPorts,
): Result<RequestTr34KeyAnswer> {
  if (!NAME_FORM.test(acquirer)) return refuse('MALFORMED_MESSAGE', 'acquirer');
  const binding = custodian.read((keystore) => readBinding(keystore, 'device', acquirer));
  if (!binding.ok) return custodyRefusal(binding);
  const { randomNumber, expiresAt } = custodian.tr34.request(acquirer, ports);
  return ok({ randomNumberToken: formatRandomNumberToken(randomNumber), expiresAt: BigInt(expiresAt.getTime()) });
}

/** Whether the bound party is on a list of its authority; one that is empty says nothing. */
export function checkListed(
  certificate: Tr34Certificate,
  authority: Tr34Certificate,
  list: Uint8Array,
  now: Date,
): Result<null, Tr34Fault> {
  if (list.length === 0) return ok(null);
  const listed = checkNotRevoked(certificate, authority, list, now);
  return listed.ok ? ok(null) : tr34Fault(listed);
}
