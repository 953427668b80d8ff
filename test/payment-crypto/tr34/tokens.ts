import { sign } from 'node:crypto';
import { sha256 } from '../../../src/encoding/digest.ts';
import type { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { derOctets, derSequence, derUnsigned } from '../../../src/payment-crypto/secure-key-wrapper/der.ts';
import { derAlgorithm, derContext, derOid, derSetOf, OIDS } from '../../../src/payment-crypto/tr34/der.ts';
import type { Tr34Deviation } from '../../../src/payment-crypto/tr34/deviation.ts';
import { sealEnvelope } from '../../../src/payment-crypto/tr34/enveloped-data.ts';
import { formatHeaderAttribute, formatKeyContent } from '../../../src/payment-crypto/tr34/key-content.ts';
import { acceptKeyToken, type KeyReception } from '../../../src/payment-crypto/tr34/key-receiving-device.ts';
import { formatRandomNumberToken, newRandomNumber } from '../../../src/payment-crypto/tr34/random-number.ts';
import { derAttribute } from '../../../src/payment-crypto/tr34/signed-data.ts';
import { accepted, key, seededRandom } from '../support.ts';
import * as parties from './parties.ts';

const { NOW, boundHost, device, host, hostKeys, hostList } = parties;

export const NULL = Buffer.from('0500', 'hex');
export const CRITICAL = Buffer.from('0101ff', 'hex');
export const UNKNOWN = Buffer.from('2a0304', 'hex');
export const AES_128 = '000102030405060708090A0B0C0D0E0F';
export const HEADER = Buffer.from('D0016K1AB00E0000');
export const randomNumber = newRandomNumber(seededRandom('number'));
export const reception: KeyReception = { device, host: boundHost, randomNumber };
export const SHA256_RSA = derAlgorithm(OIDS.sha256WithRsa, NULL);

/** What a result is refused with, and why; 'accepted' where it is not. */
export function refusal(result: { readonly ok: boolean; readonly reason?: string; readonly detail?: string }): string {
  if (result.ok) return 'accepted';
  return result.detail === undefined ? `${result.reason}` : `${result.reason}: ${result.detail}`;
}
export const MALFORMED = 'TR34_MALFORMED: DER_VALUE_INVALID';

export interface SignerForm {
  readonly version?: number;
  readonly attributes?: readonly Uint8Array[] | null;
  readonly unsigned?: readonly Uint8Array[];
  readonly digest?: Uint8Array;
  readonly algorithm?: Uint8Array;
  readonly hash?: string;
}

export interface TokenForm {
  readonly type?: Uint8Array;
  readonly version?: number;
  readonly digests?: readonly Uint8Array[];
  readonly contentType?: Uint8Array;
  readonly content?: Uint8Array | null;
  readonly certificates?: readonly Uint8Array[];
  readonly lists?: readonly Uint8Array[];
  readonly signers?: readonly Uint8Array[];
}

export const SHA256 = derAlgorithm(OIDS.sha256);

export function envelopeOf(content: SecretBytes): Buffer {
  return accepted(
    sealEnvelope(content, { device: device.certificate, encryption: 'AES-128-CBC' }, seededRandom('envelope')),
  );
}

export function soundContent(): SecretBytes {
  return formatKeyContent({ host: host.certificate.identity, key: key('AES', AES_128), header: HEADER });
}

export const ENVELOPE = envelopeOf(soundContent());

export function attributesOf(content: Uint8Array, number: Uint8Array = randomNumber): Buffer[] {
  return [
    derAttribute(OIDS.contentType, derOid(OIDS.envelopedData)),
    derAttribute(OIDS.messageDigest, derOctets(sha256(content))),
    formatRandomNumberToken(number),
    formatHeaderAttribute(HEADER),
  ];
}

export function signer(form: SignerForm = {}): Buffer {
  const attributes = form.attributes === undefined ? attributesOf(ENVELOPE) : form.attributes;
  const set = derSetOf(...(attributes ?? []));
  const signed = attributes === null ? ENVELOPE : set;
  const implicit = Buffer.from(set);
  implicit[0] = 0xa0;
  return derSequence(
    derUnsigned(form.version ?? 1),
    host.certificate.identity,
    form.digest ?? SHA256,
    ...(attributes === null ? [] : [implicit]),
    form.algorithm ?? derAlgorithm(OIDS.rsaEncryption, NULL),
    derOctets(sign(form.hash ?? 'sha256', signed, hostKeys.privateKey)),
    ...(form.unsigned ? [derContext(1, ...form.unsigned)] : []),
  );
}

export function token(form: TokenForm = {}): Buffer {
  const { content = ENVELOPE, certificates = [], lists = [hostList()] } = form;
  const data = derSequence(
    derUnsigned(form.version ?? 3),
    derSetOf(...(form.digests ?? [SHA256])),
    derSequence(
      derOid(form.contentType ?? OIDS.envelopedData),
      ...(content === null ? [] : [derContext(0, derOctets(content))]),
    ),
    ...(certificates.length > 0 ? [derContext(0, ...certificates)] : []),
    ...(lists.length > 0 ? [derContext(1, ...lists)] : []),
    derSetOf(...(form.signers ?? [signer()])),
  );
  return derSequence(derOid(form.type ?? OIDS.signedData), derContext(0, data));
}

export const take = (
  bytesOf: Uint8Array,
  tolerate: readonly Tr34Deviation[] = [],
  changes: Partial<KeyReception> = {},
) => acceptKeyToken(bytesOf, { ...reception, ...changes }, NOW, { tolerate: new Set(tolerate) });
