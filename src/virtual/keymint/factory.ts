import { createPrivateKey, createPublicKey, randomBytes, X509Certificate } from 'node:crypto';
import { equalBytes } from '../../encoding/digest.ts';
import { decodePem, encodePem } from '../../encoding/pem.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { basicConstraints, keyUsage, subjectKeyIdentifier } from '../../x509/extensions.ts';
import { type DistinguishedName, issueCertificate } from '../../x509/issue.ts';
import {
  certifyBatch,
  certifyProvisioningAuthority,
  certifyRemotely,
  generateKeys,
  type Issuer,
  serialNumber,
} from './issuers.ts';
import { VirtualKeyMint } from './keymint.ts';
import type { VirtualPhoneProfile } from './profile.ts';

const YEAR = 365 * 86_400_000;
const MAXIMUM_PEM = 16_384;
const ROOT_NAME: DistinguishedName = [
  { type: 'CN', value: 'Tapgate Virtual Attestation Root' },
  { type: 'OU', value: 'Not for production' },
  { type: 'O', value: 'Tapgate Virtual' },
];

/** The test root as a verifier is told to trust it. */
export interface VirtualAnchor {
  readonly name: 'virtual-factory';
  /** SubjectPublicKeyInfo, DER: what an anchor is. */
  readonly publicKey: Buffer;
  /** DER. */
  readonly certificate: Buffer;
}

/** A factory as it is kept in files; the key belongs into one that nobody else may read. */
export interface StoredVirtualFactory {
  /** PKCS #8, PEM. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
}

/** The time that phones and certificates take; and where serial numbers come from, node:crypto by default. */
export interface VirtualFactoryOptions extends Clock {
  readonly random?: Random;
}

/** Why a stored factory is not loaded. */
export type VirtualFactoryFailure = 'FACTORY_MALFORMED' | 'FACTORY_KEY_MISMATCH';

const SYSTEM_RANDOM: Random = { bytes: (length) => randomBytes(length) };

/** A maker of virtual phones. A service that trusts its root admits every virtual phone: it is for tests only. */
export class VirtualFactory {
  readonly anchor: VirtualAnchor;
  readonly #root: Issuer;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #issuers = new Map<string, Issuer>();

  constructor(root: Issuer, options: VirtualFactoryOptions) {
    this.#root = root;
    this.#clock = options;
    this.#random = options.random ?? SYSTEM_RANDOM;
    this.anchor = { name: 'virtual-factory', publicKey: root.publicKey, certificate: root.chain[0]! };
  }

  /**
   * Makes the KeyMint of one phone. Phones of one factory batch share their attestation key, as real ones do; a
   * remotely provisioned phone has one of its own. Throws RangeError for a profile that makes no sense.
   */
  provision(profile: VirtualPhoneProfile): VirtualKeyMint {
    const provisionedAt = new Date(profile.provisionedAt);
    if (Number.isNaN(provisionedAt.getTime())) throw new RangeError('provisionedAt is an ISO 8601 instant');
    if (profile.provisioning === 'rkp') {
      const authority = this.#issuer(`rkp ${profile.provisionedAt}`, () =>
        certifyProvisioningAuthority(this.#root, provisionedAt, this.#random),
      );
      return new VirtualKeyMint(profile, certifyRemotely(authority, profile, this.#random), this.#clock);
    }
    const batch = this.#issuer(
      `batch ${profile.securityLevel} ${profile.attestationKey} ${profile.provisionedAt} ${profile.batchSerial ?? ''}`,
      () => certifyBatch(this.#root, profile, this.#random),
    );
    return new VirtualKeyMint(profile, batch, this.#clock);
  }

  /** The factory as files: private key and certificate. */
  store(): StoredVirtualFactory {
    return {
      key: this.#root.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      certificate: encodePem('CERTIFICATE', this.anchor.certificate),
    };
  }

  #issuer(name: string, certify: () => Issuer): Issuer {
    const known = this.#issuers.get(name);
    if (known !== undefined) return known;
    const issuer = certify();
    this.#issuers.set(name, issuer);
    return issuer;
  }
}

/** Makes a factory with a new root: EC P-384, self-signed, valid from a year ago for 21 years. */
export function createVirtualFactory(options: VirtualFactoryOptions): VirtualFactory {
  const { privateKey, publicKey } = generateKeys('EC', 384);
  const now = options.now().getTime();
  const certificate = issueCertificate({
    subject: ROOT_NAME,
    issuer: ROOT_NAME,
    spki: publicKey,
    serial: serialNumber(options.random ?? SYSTEM_RANDOM, 16),
    notBefore: new Date(now - YEAR),
    notAfter: new Date(now + 20 * YEAR),
    extensions: [basicConstraints({ ca: true }), keyUsage(['keyCertSign', 'cRLSign']), subjectKeyIdentifier(publicKey)],
    signingKey: privateKey,
    signatureHash: 'sha384',
  });
  return new VirtualFactory({ name: ROOT_NAME, privateKey, publicKey, chain: [certificate] }, options);
}

/** Loads a factory from its files. Refuses what is not the PEM of a P-384 key and of this root's certificate for it. */
export function loadVirtualFactory(
  stored: StoredVirtualFactory,
  options: VirtualFactoryOptions,
): Result<VirtualFactory, VirtualFactoryFailure> {
  const certificates = decodePem(stored.certificate, 'CERTIFICATE', MAXIMUM_PEM);
  if (!certificates.ok || certificates.value.length !== 1) return refuse('FACTORY_MALFORMED', 'certificate');
  const certificate = certificates.value[0]!;
  try {
    const privateKey = createPrivateKey(stored.key);
    if (privateKey.asymmetricKeyDetails?.namedCurve !== 'secp384r1') return refuse('FACTORY_MALFORMED', 'key');
    const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
    const certified = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
    if (!equalBytes(publicKey, certified)) return refuse('FACTORY_KEY_MISMATCH');
    return ok(new VirtualFactory({ name: ROOT_NAME, privateKey, publicKey, chain: [certificate] }, options));
  } catch {
    // What OpenSSL says of a private key's text stays out of messages.
    return refuse('FACTORY_MALFORMED');
  }
}
