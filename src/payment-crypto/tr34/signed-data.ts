import { type KeyObject, sign } from 'node:crypto';
import type { DerReader } from '../../encoding/der.ts';
import { explicitTag, TAG } from '../../encoding/der-tag.ts';
import { ok } from '../../reasons/result.ts';
import type { PaymentResult } from '../reason.ts';
import {
  CONTEXT,
  derElement,
  derOctets,
  derSequence,
  derUnsigned,
  NULL,
  UNIVERSAL,
} from '../secure-key-wrapper/der.ts';
import { type Algorithm, derAlgorithm, derContext, derOid, derSetOf, OIDS, readAlgorithm, readTr34 } from './der.ts';

const MOST_MEMBERS = 8;
const MOST_ATTRIBUTES = 16;
const SET_TAG = 0x31;

/** A signed attribute: its identifier, and the SET of its values whole. */
export interface SignedAttribute {
  readonly oid: Buffer;
  /** The attribute whole. */
  readonly encoded: Buffer;
  /** The SET of values, whole. */
  readonly values: Buffer;
}

/** One signer of SignedData. */
export interface SignerInfo {
  /** IssuerAndSerialNumber, DER. */
  readonly identity: Buffer;
  readonly digest: Algorithm;
  readonly attributes: readonly SignedAttribute[];
  /** What the signature is over: the attributes as they stood, under the tag of a SET OF (RFC 5652 5.4). */
  readonly signedBytes: Buffer;
  readonly algorithm: Algorithm;
  readonly signature: Buffer;
  readonly hasUnsignedAttributes: boolean;
}

/** SignedData of CMS, read (RFC 5652 5.1). */
export interface SignedData {
  /** The digests that it announces, which nobody signs. */
  readonly digests: readonly Algorithm[];
  readonly contentType: Buffer;
  readonly content: Buffer | undefined;
  readonly certificates: readonly Buffer[];
  readonly revocationLists: readonly Buffer[];
  readonly signers: readonly SignerInfo[];
}

/** Runs over the members of the open element, at most so many. */
function members<T>(der: DerReader, most: number, read: () => T): T[] {
  const found: T[] = [];
  while (!der.atEnd) {
    if (found.length === most) der.fail('DER_TOO_LARGE');
    found.push(read());
  }
  return found;
}

function readAttribute(der: DerReader): SignedAttribute {
  const encoded = der.preview(TAG.SEQUENCE);
  const outer = der.enter(TAG.SEQUENCE);
  const oid = der.content(TAG.OBJECT_IDENTIFIER);
  const values = der.element(TAG.SET);
  der.leave(outer);
  return { oid, encoded, values };
}

function readSigner(der: DerReader): SignerInfo {
  const outer = der.enter(TAG.SEQUENCE);
  if (der.unsigned() !== 1) der.fail('DER_VALUE_INVALID');
  const identity = der.element(TAG.SEQUENCE);
  const digest = readAlgorithm(der);
  let signedBytes: Buffer = Buffer.alloc(0);
  let attributes: SignedAttribute[] = [];
  if (der.peek() === explicitTag(0)) {
    signedBytes = Buffer.from(der.preview(explicitTag(0)));
    if (signedBytes.length > 0) signedBytes[0] = SET_TAG;
    const set = der.enter(explicitTag(0));
    attributes = members(der, MOST_ATTRIBUTES, () => readAttribute(der));
    der.leave(set);
  }
  const algorithm = readAlgorithm(der);
  const signature = der.content(TAG.OCTET_STRING);
  const hasUnsignedAttributes = der.peek() === explicitTag(1);
  if (hasUnsignedAttributes) der.skip();
  der.leave(outer);
  return { identity, digest, attributes, signedBytes, algorithm, signature, hasUnsignedAttributes };
}

/** The elements of `[number] IMPLICIT SET OF SEQUENCE`, whole; none where it is absent. */
function readChoices(der: DerReader, number: number): Buffer[] {
  if (der.peek() !== explicitTag(number)) return [];
  const set = der.enter(explicitTag(number));
  const found = members(der, MOST_MEMBERS, () => der.element(TAG.SEQUENCE));
  der.leave(set);
  return found;
}

function readSignedData(der: DerReader): SignedData {
  const info = der.enter(TAG.SEQUENCE);
  if (!der.takeOid(OIDS.signedData)) der.fail('DER_VALUE_INVALID');
  const tagged = der.enter(explicitTag(0));
  const data = der.enter(TAG.SEQUENCE);
  const version = der.unsigned();
  if (version !== 1 && version !== 3) der.fail('DER_VALUE_INVALID');
  const announced = der.enter(TAG.SET);
  const digests = members(der, MOST_MEMBERS, () => readAlgorithm(der));
  der.leave(announced);
  const encapsulated = der.enter(TAG.SEQUENCE);
  const contentType = der.content(TAG.OBJECT_IDENTIFIER);
  let content: Buffer | undefined;
  if (!der.atEnd) {
    const held = der.enter(explicitTag(0));
    content = der.content(TAG.OCTET_STRING);
    der.leave(held);
  }
  der.leave(encapsulated);
  const certificates = readChoices(der, 0);
  const revocationLists = readChoices(der, 1);
  const set = der.enter(TAG.SET);
  const signers = members(der, MOST_MEMBERS, () => readSigner(der));
  der.leave(set);
  der.leave(data);
  der.leave(tagged);
  der.leave(info);
  return { digests, contentType, content, certificates, revocationLists, signers };
}

/** Reads ContentInfo with SignedData in strict DER, at most 64 KiB. Nothing is verified. Refuses with TR34_MALFORMED. */
export function parseSignedData(token: Uint8Array): PaymentResult<SignedData, 'TR34_MALFORMED'> {
  const read = readTr34(token, readSignedData);
  return read.ok ? ok(read.value) : read;
}

/** An attribute to be signed: identifier, and its one value in DER. */
export function derAttribute(oid: Uint8Array, value: Uint8Array): Buffer {
  return derSequence(derOid(oid), derSetOf(value));
}

function contentInfo(
  version: number,
  parts: {
    readonly digests: readonly Uint8Array[];
    readonly encapsulated: Uint8Array;
    readonly certificates?: readonly Uint8Array[];
    readonly revocationLists?: readonly Uint8Array[];
    readonly signers: readonly Uint8Array[];
  },
): Buffer {
  const { digests, encapsulated, certificates = [], revocationLists = [], signers } = parts;
  const choices = [
    ...(certificates.length === 0 ? [] : [derContext(0, ...certificates)]),
    ...(revocationLists.length === 0 ? [] : [derContext(1, ...revocationLists)]),
  ];
  const data = derSequence(derUnsigned(version), derSetOf(...digests), encapsulated, ...choices, derSetOf(...signers));
  return derSequence(derOid(OIDS.signedData), derContext(0, data));
}

/** Writes SignedData that carries certificates and revocation lists and that nobody signs (RFC 5652 5.1). */
export function formatCertificates(
  certificates: readonly Uint8Array[],
  revocationLists: readonly Uint8Array[],
): Buffer {
  const encapsulated = derSequence(derOid(OIDS.data));
  return contentInfo(1, { digests: [], encapsulated, certificates, revocationLists, signers: [] });
}

/** What a host signs. */
export interface Signing {
  readonly contentType: Uint8Array;
  readonly content: Uint8Array;
  /** Attributes, DER, content type and message digest among them. */
  readonly attributes: readonly Uint8Array[];
  /** IssuerAndSerialNumber of the signer, DER. */
  readonly identity: Uint8Array;
  readonly privateKey: KeyObject;
  readonly revocationLists: readonly Uint8Array[];
}

/** Writes SignedData with one signer: RSA PKCS #1 v1.5 with SHA-256 over the signed attributes. */
export function formatSigned({
  contentType,
  content,
  attributes,
  identity,
  privateKey,
  revocationLists,
}: Signing): Buffer {
  const set = derSetOf(...attributes);
  const signature = sign('sha256', set, privateKey);
  const implicit = Buffer.from(set);
  implicit[0] = explicitOctet(0);
  const digest = derAlgorithm(OIDS.sha256);
  const signer = derSequence(
    derUnsigned(1),
    identity,
    digest,
    implicit,
    derAlgorithm(OIDS.rsaEncryption, derElement(UNIVERSAL, NULL, false)),
    derOctets(signature),
  );
  const encapsulated = derSequence(derOid(contentType), derContext(0, derOctets(content)));
  return contentInfo(3, { digests: [digest], encapsulated, revocationLists, signers: [signer] });
}

/** First octet of `[number]`, constructed. */
function explicitOctet(number: number): number {
  return (CONTEXT << 6) | 0x20 | number;
}
