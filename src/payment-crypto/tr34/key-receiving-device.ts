import { verify } from 'node:crypto';
import { equalBytes, sha256 } from '../../encoding/digest.ts';
import { ok, refuse } from '../../reasons/result.ts';
import type { KeyBlockHeader } from '../key-block/header.ts';
import type { PaymentResult, Tr34Reason } from '../reason.ts';
import { effectiveStrength, type SecretKey } from '../secret-key.ts';
import { checkIssued } from './certificate.ts';
import type { BoundParty, Tr34Party } from './credential.ts';
import { isPlain, OIDS } from './der.ts';
import { rsaStrength, type Tr34Deviation, type Tr34Policy, tolerated } from './deviation.ts';
import { contentStrength, type Envelope, openEnvelope, parseEnvelope } from './enveloped-data.ts';
import { parseKeyContent } from './key-content.ts';
import { keyOfHeader, readKeyHeader } from './key-header.ts';
import { checkNotRevoked } from './revocation-list.ts';
import { readKeyAttributes } from './signed-attributes.ts';
import { parseSignedData, type SignedData, type SignerInfo } from './signed-data.ts';

/** What a device knows when a key token comes in. */
export interface KeyReception {
  readonly device: Tr34Party;
  /** The host, as {@link bindHost} returned it. */
  readonly host: BoundParty;
  /** The number that the device sent, and that it forgets with this call. */
  readonly randomNumber: Uint8Array;
}

/** A key that came in. */
export interface ReceivedKey {
  /** The caller wipes it. */
  readonly key: SecretKey;
  /** Usage, mode of use, exportability and optional blocks that the host has signed. */
  readonly header: KeyBlockHeader;
  readonly tolerated: readonly Tr34Deviation[];
}

interface SignedEnvelope {
  readonly signer: SignerInfo;
  readonly content: Buffer;
  readonly revocationList: Buffer | undefined;
}

/** Tells a key token from the other signed tokens of TR-34, by what is signed. */
function keyTokenOf(data: SignedData): PaymentResult<SignedEnvelope, Tr34Reason> {
  const { digests, contentType, content, signers, revocationLists } = data;
  if (contentType.equals(OIDS.signedData)) return refuse('TR34_NOT_SUPPORTED', 'rebind token');
  if (contentType.equals(OIDS.data))
    return refuse('TR34_NOT_SUPPORTED', signers.length > 0 ? 'unbind token' : 'credential token');
  if (!contentType.equals(OIDS.envelopedData) || content === undefined) return refuse('TR34_MALFORMED', 'content');
  const [signer, ...others] = signers;
  if (signer === undefined || others.length > 0) return refuse('TR34_MALFORMED', 'not exactly one signer');
  const [digest, ...otherDigests] = digests;
  if (digest === undefined || otherDigests.length > 0 || !isPlain(digest, OIDS.sha256))
    return refuse('TR34_ALGORITHM', 'digest');
  if (revocationLists.length > 1) return refuse('TR34_CRL', 'more than one revocation list');
  return ok({ signer, content, revocationList: revocationLists[0] });
}

/** The bound host as of now: its certificate stands, and it is not on the list that it sent itself. */
function checkHost(
  host: BoundParty,
  revocationList: Buffer | undefined,
  at: Date,
): PaymentResult<readonly Tr34Deviation[], Tr34Reason> {
  const stands = checkIssued(host.certificate, host.authority, 'digitalSignature', at);
  if (!stands.ok) return stands;
  if (revocationList === undefined) return ok(['NO_REVOCATION_LIST']);
  const revocation = checkNotRevoked(host.certificate, host.authority, revocationList, at);
  return revocation.ok ? ok([]) : revocation;
}

/** Signer, algorithms and signature: nothing of the token is believed before this. */
function checkSignature(signer: SignerInfo, host: BoundParty): PaymentResult<true, Tr34Reason> {
  if (!equalBytes(signer.identity, host.certificate.identity)) return refuse('TR34_SIGNER');
  if (signer.attributes.length === 0 || signer.hasUnsignedAttributes) return refuse('TR34_ATTRIBUTE', 'not signed');
  if (!isPlain(signer.digest, OIDS.sha256)) return refuse('TR34_ALGORITHM', 'digest');
  const known = isPlain(signer.algorithm, OIDS.rsaEncryption) || isPlain(signer.algorithm, OIDS.sha256WithRsa);
  if (!known) return refuse('TR34_ALGORITHM', 'signature');
  const genuine = verify('sha256', signer.signedBytes, host.certificate.publicKey, signer.signature);
  return genuine ? ok(true) : refuse('TR34_SIGNATURE');
}

interface Opened {
  readonly key: SecretKey;
  readonly deviations: readonly Tr34Deviation[];
}

/** Opens the envelope and holds what is inside against what was signed outside. */
function open(
  envelope: Envelope,
  { device, host }: KeyReception,
  header: { readonly signed: Buffer; readonly read: KeyBlockHeader },
): PaymentResult<Opened, Tr34Reason> {
  const clear = openEnvelope(envelope, device.privateKey);
  if (!clear.ok) return clear;
  const content = clear.value.use(parseKeyContent);
  clear.value.wipe();
  if (!content.ok) return content;
  const { key: bytes, host: named, header: inner } = content.value;
  try {
    if (!equalBytes(named, host.certificate.identity)) return refuse('TR34_SIGNER', 'within the key block');
    if (!equalBytes(inner, header.signed)) return refuse('TR34_HEADER_MISMATCH');
    const key = bytes.use((clearKey) => keyOfHeader(header.read, clearKey));
    if (!key.ok) return key;
    const strength = effectiveStrength(key.value.algorithm, key.value.bits);
    const deviations: Tr34Deviation[] = [];
    if (contentStrength(envelope.encryption) < strength) deviations.push('CONTENT_KEY_WEAKER_THAN_KEY');
    if (rsaStrength(device.certificate.modulusBits) < strength) deviations.push('TRANSPORT_KEY_WEAKER_THAN_KEY');
    return ok({ key: key.value, deviations });
  } finally {
    bytes.wipe();
  }
}

/**
 * Takes the key out of KT-KDH of the two-pass protocol, as a key receiving device does (TR-34:2019 5.4, B.9): strict DER,
 * at most 64 KiB.
 *
 * In this order: the bound host still stands and is not revoked; it signed; content type, digest, random number and
 * header are the ones expected; the envelope is for this device; only then is anything deciphered, so that a stranger
 * learns nothing from a padding. One-pass, unbind and rebind tokens are refused with TR34_NOT_SUPPORTED. Departures from
 * the standard are refused with TR34_DEVIATION but for those that the policy tolerates, which are reported.
 */
export function acceptKeyToken(
  token: Uint8Array,
  reception: KeyReception,
  at: Date,
  policy: Tr34Policy = {},
): PaymentResult<ReceivedKey, Tr34Reason> {
  const { device, host, randomNumber } = reception;
  const data = parseSignedData(token);
  if (!data.ok) return data;
  const found = keyTokenOf(data.value);
  if (!found.ok) return found;
  const { signer, content, revocationList } = found.value;
  const standing = checkHost(host, revocationList, at);
  if (!standing.ok) return standing;
  const signature = checkSignature(signer, host);
  if (!signature.ok) return signature;
  const attributes = readKeyAttributes(signer.attributes);
  if (!attributes.ok) return attributes;
  if (!attributes.value.contentType.equals(OIDS.envelopedData)) return refuse('TR34_ATTRIBUTE', 'content type');
  if (!equalBytes(attributes.value.digest, sha256(content))) return refuse('TR34_DIGEST');
  if (!equalBytes(attributes.value.randomNumber, randomNumber)) return refuse('TR34_RANDOM_NUMBER');
  const header = readKeyHeader(attributes.value.header);
  if (!header.ok) return header;

  const envelope = parseEnvelope(content);
  if (!envelope.ok) return envelope;
  if (!equalBytes(envelope.value.recipient, device.certificate.identity)) return refuse('TR34_RECIPIENT');
  const outside: Tr34Deviation[] = [...standing.value, ...header.value.deviations];
  if (!attributes.value.sorted) outside.push('ATTRIBUTES_NOT_SORTED');
  if (envelope.value.bare) outside.push('ENVELOPE_WITHOUT_SEQUENCE');
  if (envelope.value.encryption === 'TDES-CBC') outside.push('TDES_CONTENT_ENCRYPTION');
  const early = tolerated(outside, policy);
  if (!early.ok) return early;

  const expected = { signed: attributes.value.header, read: header.value.header };
  const opened = open(envelope.value, reception, expected);
  if (!opened.ok) return opened;
  const all = tolerated([...outside, ...opened.value.deviations], policy);
  if (!all.ok) {
    opened.value.key.wipe();
    return all;
  }
  return ok({ key: opened.value.key, header: header.value.header, tolerated: all.value });
}
