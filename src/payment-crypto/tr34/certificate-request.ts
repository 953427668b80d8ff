import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { oidContent } from '../../encoding/der-oid.ts';
import { derElement, derSequence, derUnsigned, UNIVERSAL } from '../secure-key-wrapper/der.ts';
import { derAlgorithm, derContext, derOid, derSetOf, OIDS } from './der.ts';

const BIT_STRING = 3;
const UTF8_STRING = 12;
const COMMON_NAME = oidContent('2.5.4.3');
const NULL = Buffer.from('0500', 'hex');

/**
 * A certificate request (PKCS #10, RFC 2986), DER, for an RSA key and one common name, signed with RSA and SHA-256: what a
 * host's or a device's authority makes its certificate of.
 */
export function certificateRequest(commonName: string, privateKey: KeyObject): Buffer {
  const name = derSequence(
    derSetOf(derSequence(derOid(COMMON_NAME), derElement(UNIVERSAL, UTF8_STRING, false, Buffer.from(commonName)))),
  );
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const info = derSequence(derUnsigned(0), name, spki, derContext(0));
  const signature = derElement(UNIVERSAL, BIT_STRING, false, Buffer.of(0), sign('sha256', info, privateKey));
  return derSequence(info, derAlgorithm(OIDS.sha256WithRsa, NULL), signature);
}
