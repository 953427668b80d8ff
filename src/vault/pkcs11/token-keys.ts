import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { canonicalBytes } from '../../encoding/canonical.ts';
import { sha256 } from '../../encoding/digest.ts';
import { p256PublicKey, p256Thumbprint } from '../../encoding/p256.ts';
import type { DerivationKey } from '../../payment-crypto/aes-dukpt/derivation.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { KeyOrigin, KeyToken } from '../keystore/key-token.ts';
import type { SigningKey } from '../keystore/signing-key.ts';
import { CKA, CKK, CKM, CKO } from './constants.ts';
import { derSignature, POINT_BYTES, SIGNATURE_BYTES, uncompressedPoint } from './ecdsa.ts';
import { derivationKeyRules, rootKeyRules, rulesHold, signingKeyRules } from './key-rules.ts';
import type { ObjectHandle, TokenSession } from './session.ts';
import type { Attribute } from './template.ts';
import type { Token } from './token.ts';
import { TokenError } from './token-error.ts';

const ROOT_BYTES = 32;
/** DER OBJECT IDENTIFIER 1.2.840.10045.3.1.7: P-256 as CKA_EC_PARAMS. */
const P256_PARAMS = Buffer.from('06082a8648ce3d030107', 'hex');

/** The same name in CKA_ID, by which the vault finds the key, and in CKA_LABEL, for people. */
function named(id: string): readonly Attribute[] {
  return [
    [CKA.ID, Buffer.from(id)],
    [CKA.LABEL, Buffer.from(`tapgate ${id}`)],
  ];
}

interface Held {
  readonly session: TokenSession;
  readonly handle: ObjectHandle;
}

/** A keystore's keys on a PKCS #11 token. Every method throws TokenError where the token fails. */
export class TokenKeys implements KeyToken {
  readonly #token: Token;
  /** Handles of the session that they were found in. */
  readonly #handles = new Map<string, Held>();

  constructor(token: Token) {
    this.#token = token;
  }

  get serial(): string {
    return this.#token.serial;
  }

  get isStuck(): boolean {
    return this.#token.isStuck;
  }

  makeRoot(id: string): void {
    this.#token.once((session) =>
      session.generateKey(CKM.GENERIC_SECRET_KEY_GEN, [
        ...rootKeyRules(),
        [CKA.TOKEN, true],
        [CKA.VALUE_LEN, ROOT_BYTES],
        ...named(id),
      ]),
    );
  }

  deriveFromRoot(id: string, input: Uint8Array): Buffer {
    if (!this.#holds(id, rootKeyRules()))
      throw new TokenError('the root key is missing, or is not what it was made as');
    return this.#with(id, CKO.SECRET_KEY, ({ session, handle }) =>
      session.sign(handle, CKM.SHA256_HMAC, input, ROOT_BYTES),
    );
  }

  makeDerivationKey(id: string, bits: number): DerivationKey {
    this.#token.once((session) =>
      session.generateKey(CKM.AES_KEY_GEN, [
        ...derivationKeyRules(),
        [CKA.TOKEN, true],
        [CKA.VALUE_LEN, bits / 8],
        ...named(id),
      ]),
    );
    const made = this.derivationKey(id, bits);
    if (made === null) throw new TokenError('the token made another key than it was asked for');
    return made;
  }

  enterDerivationKey(id: string, key: SecretKey): DerivationKey {
    this.#token.once((session) =>
      key.use((bytes) =>
        session.createObject([...derivationKeyRules(), [CKA.TOKEN, true], [CKA.VALUE, bytes], ...named(id)]),
      ),
    );
    const entered = this.derivationKey(id, key.bits, 'entered');
    if (entered === null) throw new TokenError('the token keeps another key than it was given');
    return entered;
  }

  derivationKey(id: string, bits: number, origin: KeyOrigin = 'made-there'): DerivationKey | null {
    if (!this.#holds(id, [...derivationKeyRules(), [CKA.VALUE_LEN, bits / 8]], origin)) return null;
    return {
      algorithm: 'AES',
      bits,
      encipher: (blocks) =>
        this.#with(id, CKO.SECRET_KEY, ({ session, handle }) => session.encipher(handle, CKM.AES_ECB, blocks)),
    };
  }

  makeSigningKey(id: string): SigningKey {
    const spki = this.#token.once((session) => {
      const pair = session.generateKeyPair(
        CKM.EC_KEY_PAIR_GEN,
        [
          [CKA.CLASS, CKO.PUBLIC_KEY],
          [CKA.KEY_TYPE, CKK.EC],
          [CKA.EC_PARAMS, P256_PARAMS],
          // The slot keeps it: on the token there is one object a key.
          [CKA.TOKEN, false],
          [CKA.VERIFY, true],
        ],
        [...signingKeyRules(), [CKA.TOKEN, true], ...named(id)],
      );
      const [point] = session.read(pair.publicKey, [{ type: CKA.EC_POINT, length: POINT_BYTES }]);
      return spkiOf(point ?? null);
    });
    const made = this.signingKey(id, spki);
    if (made === null) throw new TokenError('the token made another key than it was asked for');
    return made;
  }

  signingKey(id: string, spki: Uint8Array): SigningKey | null {
    const keyId = p256Thumbprint(spki);
    const publicKey = p256PublicKey(spki);
    if (keyId === null || publicKey === null || !this.#holds(id, signingKeyRules())) return null;
    const sign = (input: Uint8Array): Buffer =>
      this.#with(id, CKO.PRIVATE_KEY, ({ session, handle }) =>
        derSignature(session.sign(handle, CKM.ECDSA, sha256(input), SIGNATURE_BYTES)),
      );
    const probe = canonicalBytes('tapgate/v1/token-key-probe', id);
    // What the token signs with is not told by any attribute: only a signature shows that it is this key.
    if (!verify('sha256', probe, publicKey, sign(probe))) return null;
    return { keyId, publicKey, spki: Buffer.from(spki), sign };
  }

  destroy(id: string): void {
    this.#handles.delete(id);
    this.#token.once((session) => {
      for (const objectClass of [CKO.SECRET_KEY, CKO.PRIVATE_KEY]) {
        const handle = session.find([
          [CKA.CLASS, objectClass],
          [CKA.ID, Buffer.from(id)],
        ]);
        if (handle !== null) session.destroy(handle);
      }
    });
  }

  /** True where the token has the key, with exactly these attributes. */
  #holds(id: string, rules: readonly Attribute[], origin: KeyOrigin = 'made-there'): boolean {
    const objectClass = rules.find(([type]) => type === CKA.CLASS)?.[1];
    return this.#token.use((session) => {
      const handle = session.find([
        [CKA.CLASS, Number(objectClass)],
        [CKA.ID, Buffer.from(id)],
      ]);
      return handle !== null && rulesHold(session, handle, rules, origin);
    });
  }

  #with<T>(id: string, objectClass: number, work: (held: Held) => T): T {
    return this.#token.use((session) => {
      const known = this.#handles.get(id);
      if (known?.session === session) return work(known);
      const handle = session.find([
        [CKA.CLASS, objectClass],
        [CKA.ID, Buffer.from(id)],
      ]);
      if (handle === null) throw new TokenError('a key is no longer on the token');
      const held = { session, handle };
      this.#handles.set(id, held);
      return work(held);
    });
  }
}

/** SubjectPublicKeyInfo of a CKA_EC_POINT. */
function spkiOf(told: Buffer | null): Buffer {
  const point = told === null ? null : uncompressedPoint(told);
  if (point === null) throw new TokenError('no point of P-256');
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((coordinate) => coordinate.toString('base64url'));
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' } });
  } catch {
    throw new TokenError('no point of P-256');
  }
  return publicKey.export({ format: 'der', type: 'spki' });
}
