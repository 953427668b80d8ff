import {
  constants,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import type { TransportName } from '../../src/injection/policy.ts';

const RSA_BITS = 3072;
const SIGNED_BYTES = 700;
/** Signatures checked: the request's, the leaf's of the transport key's chain, the confirmation's. */
const VERIFIED = 3;

const TO_TRANSPORT_KEY: Readonly<Record<TransportName, string>> = {
  'key-agreement': 'one ephemeral P-256 key and agreement',
  rsa: 'one RSA-3072 encryption',
  'secure-import': 'two RSA-3072 encryptions',
};

/** The asymmetric cryptography that service and vault cannot do without in one injection; its AES is next to nothing. */
export class BareInjection {
  readonly description: string;
  readonly #transport: TransportName;
  readonly #signed = randomBytes(SIGNED_BYTES);
  readonly #signature: Buffer;
  readonly #signer: KeyObject;
  readonly #verifier: KeyObject;
  readonly #agreementKey = createPublicKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  readonly #rsaKey = generateKeyPairSync('rsa', { modulusLength: RSA_BITS }).publicKey;
  readonly #message = randomBytes(RSA_BITS / 8).fill(0, 0, 1);

  constructor(transport: TransportName) {
    this.#transport = transport;
    this.description = `${VERIFIED} P-256 verifies, one sign, ${TO_TRANSPORT_KEY[transport]}`;
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#signer = privateKey;
    this.#verifier = publicKey;
    this.#signature = sign('sha256', this.#signed, privateKey);
  }

  /** Does what one injection needs. */
  inject(): void {
    for (let verified = 0; verified < VERIFIED; verified += 1) {
      if (!verify('sha256', this.#signed, this.#verifier, this.#signature)) throw new Error('a signature of the bench');
    }
    this.#toTransportKey();
    sign('sha256', this.#signed, this.#signer);
  }

  #toTransportKey(): void {
    if (this.#transport === 'key-agreement') {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      diffieHellman({ privateKey, publicKey: this.#agreementKey });
      return;
    }
    const encryptions = this.#transport === 'rsa' ? 1 : 2;
    for (let made = 0; made < encryptions; made += 1) {
      publicEncrypt({ key: this.#rsaKey, padding: constants.RSA_NO_PADDING }, this.#message);
    }
  }
}
