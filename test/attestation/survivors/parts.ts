import { type KeyObject, sign } from 'node:crypto';
import { derSequence } from '../../../src/virtual/keymint/der.ts';
import { type Element, elementBytes, readElements } from '../../fuzz/engine/elements.ts';
import { raw } from '../support/phone.ts';

/** The parts of a certificate: what is signed, the algorithm, the signature. */
export type Parts = readonly [tbs: Element, algorithm: Element, signature: Element];

/** Fields of the signed part of a version 3 certificate. */
export const FIELD = { algorithm: 2, validity: 4, extensions: 7 } as const;

export const bytesOf = ({ tag, content }: Element): Buffer => elementBytes(tag, content);

export function partsOf(certificate: Uint8Array): Parts {
  const [tbs, algorithm, signature] = readElements(certificate)?.[0]?.children ?? [];
  if (tbs === undefined || algorithm === undefined || signature === undefined) throw new Error('not a certificate');
  return [tbs, algorithm, signature];
}

/** BIT STRING of whole bytes. */
export const bitString = (bytes: Uint8Array): Buffer => elementBytes(Buffer.of(0x03), Buffer.from([0, ...bytes]));

/** OBJECT IDENTIFIER of content bytes in hex. */
export const oid = (hex: string): Buffer => raw(0x06, Buffer.from(hex, 'hex'));

/** The certificate with fields of its signed part exchanged, and signed anew. */
export function reissued(
  certificate: Uint8Array,
  key: KeyObject,
  changed: Readonly<Record<number, Buffer>>,
  hash: 'sha1' | 'sha256' = 'sha256',
): Buffer {
  const [tbs, algorithm] = partsOf(certificate);
  const signed = derSequence(...(tbs.children ?? []).map((field, index) => changed[index] ?? bytesOf(field)));
  return derSequence(signed, changed[FIELD.algorithm] ?? bytesOf(algorithm), bitString(sign(hash, signed, key)));
}

/** The chain with another certificate in one place. */
export const replaced = (chain: readonly Buffer[], position: number, certificate: Buffer): Buffer[] =>
  chain.map((original, index) => (index === position ? certificate : original));
