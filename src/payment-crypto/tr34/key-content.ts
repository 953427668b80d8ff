import type { DerReader } from '../../encoding/der.ts';
import { TAG } from '../../encoding/der-tag.ts';
import type { PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';
import { derOctets, derSequence, derUnsigned } from '../secure-key-wrapper/der.ts';
import { derOid, derSetOf, OIDS, readTr34 } from './der.ts';
import { readSingleOctets } from './random-number.ts';

/** The standard's module calls version 1 the integer 0, and all of its samples write 1. */
const WRITTEN_VERSION = 1;
const MOST_VERSION = 1;

/**
 * The key header as an attribute: id-data with one OCTET STRING (TR-34:2019 5.4.2). The same bytes stand among the
 * signed attributes and within the enciphered key block.
 */
export function formatHeaderAttribute(header: Uint8Array): Buffer {
  return derSequence(derOid(OIDS.data), derSetOf(derOctets(header)));
}

/** What is enciphered in a key token. */
export interface KeyContent {
  /** IssuerAndSerialNumber of the host, DER. */
  readonly host: Buffer;
  readonly key: SecretBytes;
  /** The key block header's characters. */
  readonly header: Buffer;
}

/**
 * Writes BE, the key block that a token enciphers: version, host, clear key, header (TR-34:2019 5.4.3, B.2.2.2). The
 * caller wipes it.
 */
export function formatKeyContent({ host, key, header }: KeyContent): SecretBytes {
  const clear = key.use(derOctets);
  const content = derSequence(derUnsigned(WRITTEN_VERSION), host, clear, formatHeaderAttribute(header));
  // Copied out of Node's shared pool, in which small buffers are made.
  const secret = new SecretBytes(content);
  clear.fill(0);
  content.fill(0);
  return secret;
}

function readContent(der: DerReader): KeyContent {
  const outer = der.enter(TAG.SEQUENCE);
  if (der.unsigned() > MOST_VERSION) der.fail('DER_VALUE_INVALID');
  const host = Buffer.from(der.element(TAG.SEQUENCE));
  const key = new SecretBytes(der.content(TAG.OCTET_STRING));
  const attribute = der.enter(TAG.SEQUENCE);
  if (!der.takeOid(OIDS.data)) der.fail('DER_VALUE_INVALID');
  const header = Buffer.from(readSingleOctets(der));
  der.leave(attribute);
  der.leave(outer);
  return { host, key, header };
}

/** Reads BE. Refuses with TR34_MALFORMED. The caller wipes the key. */
export function parseKeyContent(content: Uint8Array): PaymentResult<KeyContent, 'TR34_MALFORMED'> {
  return readTr34(content, readContent);
}
