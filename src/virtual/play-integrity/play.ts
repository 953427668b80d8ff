import { createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync, generateKeySync } from 'node:crypto';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { honestPayload, type IntegrityRequest } from './payload.ts';
import { HOSTILE_VERDICTS, type HostileIntegrityName } from './phones.ts';
import { type IntegrityTokenKeys, issueClassicToken } from './token.ts';

/** Tokens that are wrong whatever they say: none at all, not signed by Google Play, not meant for the service. */
export type BadTokenName = 'missing' | 'forged' | 'foreign' | 'cut';

/** How a phone stands with Google Play. */
export type IntegrityBehaviour = 'honest' | HostileIntegrityName | BadTokenName;

/** Every behaviour by name. */
export const INTEGRITY_BEHAVIOURS: readonly IntegrityBehaviour[] = [
  'honest',
  ...(Object.keys(HOSTILE_VERDICTS) as HostileIntegrityName[]),
  'missing',
  'forged',
  'foreign',
  'cut',
];

/** What the Play Console shows to the owner of the application: base64, as a service is configured with it. */
export interface VirtualPlayConsole {
  readonly decryptionKey: string;
  /** SubjectPublicKeyInfo. */
  readonly verificationKey: string;
}

/** The keys as they are kept in a file that nobody else may read. */
export interface StoredVirtualPlay {
  /** PKCS #8, PEM. */
  readonly signing: string;
  /** Base64. */
  readonly encryption: string;
}

function generateKeys(): IntegrityTokenKeys {
  return {
    signing: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    encryption: generateKeySync('aes', { length: 256 }),
  };
}

/** Google Play as a phone and the owner of one application meet it. A service that has its keys is for tests only. */
export class VirtualPlay {
  readonly console: VirtualPlayConsole;
  readonly #keys: IntegrityTokenKeys;

  constructor(keys: IntegrityTokenKeys) {
    this.#keys = keys;
    this.console = {
      decryptionKey: keys.encryption.export().toString('base64'),
      verificationKey: createPublicKey(keys.signing).export({ type: 'spki', format: 'der' }).toString('base64'),
    };
  }

  /** The classic token that a phone sends; empty where it sends none. */
  async token(request: IntegrityRequest, behaviour: IntegrityBehaviour = 'honest'): Promise<string> {
    const honest = honestPayload(request);
    const issue = (payload: object, keys: IntegrityTokenKeys): Promise<string> =>
      issueClassicToken(Buffer.from(JSON.stringify(payload)), keys);
    switch (behaviour) {
      case 'honest':
        return issue(honest, this.#keys);
      case 'missing':
        return '';
      case 'forged':
        return issue(honest, { ...this.#keys, signing: generateKeys().signing });
      case 'foreign':
        return issue(honest, generateKeys());
      case 'cut':
        return (await issue(honest, this.#keys)).slice(0, -32);
      default:
        return issue(HOSTILE_VERDICTS[behaviour](honest), this.#keys);
    }
  }

  /** The keys as a file. */
  store(): StoredVirtualPlay {
    return {
      signing: this.#keys.signing.export({ type: 'pkcs8', format: 'pem' }).toString(),
      encryption: this.console.decryptionKey,
    };
  }
}

/** Makes a Google Play with new keys. */
export function createVirtualPlay(): VirtualPlay {
  return new VirtualPlay(generateKeys());
}

/** Loads a Google Play from its file. */
export function loadVirtualPlay(stored: StoredVirtualPlay): Result<VirtualPlay, 'PLAY_KEYS_MALFORMED'> {
  try {
    const signing = createPrivateKey(stored.signing);
    const encryption = createSecretKey(stored.encryption, 'base64');
    const isP256 = signing.asymmetricKeyDetails?.namedCurve === 'prime256v1';
    return isP256 && encryption.symmetricKeySize === 32
      ? ok(new VirtualPlay({ signing, encryption }))
      : refuse('PLAY_KEYS_MALFORMED');
  } catch {
    // What OpenSSL says of a private key's text stays out of messages.
    return refuse('PLAY_KEYS_MALFORMED');
  }
}
