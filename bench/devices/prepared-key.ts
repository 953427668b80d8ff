import { type KeyObject, sign } from 'node:crypto';
import { parseCertificate } from '../../src/attestation/android/certificate.ts';
import type { GeneratedKey, VirtualKeyMint } from '../../src/virtual/keymint/keymint.ts';

const CHALLENGE_BYTES = 32;
const MAXIMUM_CERTIFICATE_BYTES = 16_384;
const SEQUENCE = 0x30;
const BIT_STRING = 0x03;

function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length > 0xffff) throw new RangeError('a certificate has at most 65 535 bytes');
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...header), content]);
}

/**
 * A key whose certificate is made before its challenge is known: the challenge is put in its place afterwards, and one
 * signature made, so that the phone's side costs next to nothing while the service is measured.
 */
export class PreparedKey {
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly #attestationKey: KeyObject;
  readonly #issuers: readonly Buffer[];
  readonly #tbs: Buffer;
  readonly #algorithm: Buffer;
  readonly #place: number;

  private constructor({ privateKey, publicKey, chain }: GeneratedKey, attestationKey: KeyObject, placeholder: Buffer) {
    const [leaf, ...issuers] = chain.map((der) => Buffer.from(der));
    const parsed = leaf === undefined ? null : parseCertificate(leaf, MAXIMUM_CERTIFICATE_BYTES);
    if (leaf === undefined || parsed?.ok !== true) throw new Error('a virtual phone without a certificate');
    this.privateKey = privateKey;
    this.publicKey = publicKey;
    this.#attestationKey = attestationKey;
    this.#issuers = issuers;
    this.#tbs = Buffer.from(parsed.value.tbs);
    const after = leaf.indexOf(this.#tbs) + this.#tbs.length;
    // An AlgorithmIdentifier of ECDSA is short: its length is one byte.
    this.#algorithm = leaf.subarray(after, after + 2 + leaf[after + 1]!);
    this.#place = this.#tbs.indexOf(placeholder);
    if (this.#place < 0) throw new Error('the challenge is not in the certificate');
  }

  /** Generates the key in a phone whose attestation key is EC P-256. `placeholder`: 32 bytes that occur nowhere else. */
  static generate(keymint: VirtualKeyMint, placeholder: Buffer): PreparedKey {
    const key = keymint.generateKey({ purpose: 'sign', algorithm: 'EC', challenge: placeholder });
    return new PreparedKey(key, keymint.attestationKey.privateKey, placeholder);
  }

  /** The chain that attests the key for this challenge of 32 bytes, leaf first, DER. */
  chainFor(challenge: Buffer): Buffer[] {
    if (challenge.length !== CHALLENGE_BYTES) throw new RangeError('a challenge of the exchange has 32 bytes');
    const tbs = Buffer.from(this.#tbs);
    challenge.copy(tbs, this.#place);
    const signature = sign('sha256', tbs, this.#attestationKey);
    const bits = element(BIT_STRING, Buffer.concat([Buffer.of(0), signature]));
    return [element(SEQUENCE, Buffer.concat([tbs, this.#algorithm, bits])), ...this.#issuers];
  }
}
