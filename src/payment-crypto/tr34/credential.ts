import type { KeyObject } from 'node:crypto';
import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult, Tr34Reason } from '../reason.ts';
import { checkIssued, parseTr34Certificate, type Tr34Certificate } from './certificate.ts';
import { OIDS } from './der.ts';
import { checkNotRevoked } from './revocation-list.ts';
import { formatCertificates, parseSignedData } from './signed-data.ts';

/** A party of TR-34 with its own private key. */
export interface Tr34Party {
  readonly certificate: Tr34Certificate;
  /** RSA, the certificate's. */
  readonly privateKey: KeyObject;
}

/** A party that the other one has bound: its certificate, and the authority that vouched for it. */
export interface BoundParty {
  readonly certificate: Tr34Certificate;
  readonly authority: Tr34Certificate;
}

/** Writes CT-KDH, the host's credential token: its certificate, and its authority's revocation list (TR-34:2019 B.6). */
export function formatHostCredential(certificate: Tr34Certificate, revocationList: Uint8Array): Buffer {
  return formatCertificates([certificate.der], [revocationList]);
}

/** Writes CT-KRD, the device's credential token: its certificate alone (TR-34:2019 B.7). */
export function formatDeviceCredential(certificate: Tr34Certificate): Buffer {
  return formatCertificates([certificate.der], []);
}

interface Credential {
  readonly certificate: Tr34Certificate;
  readonly revocationLists: readonly Buffer[];
}

function readCredential(token: Uint8Array): PaymentResult<Credential, Tr34Reason> {
  const read = parseSignedData(token);
  if (!read.ok) return read;
  const { contentType, content, certificates, revocationLists, signers } = read.value;
  if (!contentType.equals(OIDS.data) || content !== undefined || signers.length > 0)
    return refuse('TR34_NOT_SUPPORTED', 'signed content in the place of a credential');
  const [only, ...others] = certificates;
  if (only === undefined || others.length > 0) return refuse('TR34_MALFORMED', 'not exactly one certificate');
  const certificate = parseTr34Certificate(only);
  return certificate.ok ? ok({ certificate: certificate.value, revocationLists }) : certificate;
}

/**
 * Binds a device to a host: the device checks CT-KDH under the authority of hosts that it was made with, and keeps what
 * is returned (TR-34:2019 5.3). From then on it takes keys from this host alone. Refusals are those of
 * {@link Tr34Reason}.
 */
export function bindHost(
  token: Uint8Array,
  authority: Tr34Certificate,
  at: Date,
): PaymentResult<BoundParty, Tr34Reason> {
  const read = readCredential(token);
  if (!read.ok) return read;
  const { certificate, revocationLists } = read.value;
  const issued = checkIssued(certificate, authority, 'digitalSignature', at);
  if (!issued.ok) return issued;
  const [list, ...others] = revocationLists;
  if (list === undefined || others.length > 0) return refuse('TR34_CRL', 'not exactly one revocation list');
  const revocation = checkNotRevoked(certificate, authority, list, at);
  return revocation.ok ? ok({ certificate, authority }) : revocation;
}

/**
 * Binds a host to a device: the host checks CT-KRD under the authority of devices (TR-34:2019 5.3). The token carries no
 * revocation list; one that the host has is given as `revocationList`. Refusals are those of {@link Tr34Reason}.
 */
export function bindDevice(
  token: Uint8Array,
  authority: Tr34Certificate,
  at: Date,
  revocationList?: Uint8Array,
): PaymentResult<BoundParty, Tr34Reason> {
  const read = readCredential(token);
  if (!read.ok) return read;
  const { certificate, revocationLists } = read.value;
  if (revocationLists.length > 0) return refuse('TR34_CRL', "a host's credential in the place of a device's");
  const issued = checkIssued(certificate, authority, 'keyEncipherment', at);
  if (!issued.ok) return issued;
  if (revocationList === undefined) return ok({ certificate, authority });
  const revocation = checkNotRevoked(certificate, authority, revocationList, at);
  return revocation.ok ? ok({ certificate, authority }) : revocation;
}
