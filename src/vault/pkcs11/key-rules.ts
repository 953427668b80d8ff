import type { KeyOrigin } from '../keystore/key-token.ts';
import { CKA, CKK, CKO } from './constants.ts';
import { WORD } from './functions.ts';
import type { ObjectHandle, TokenSession } from './session.ts';
import type { Attribute } from './template.ts';

/** What every key of the vault is: only for who is logged in, never to be seen outside, never to be changed. */
const KEPT: readonly Attribute[] = [
  [CKA.PRIVATE, true],
  [CKA.SENSITIVE, true],
  [CKA.EXTRACTABLE, false],
  [CKA.MODIFIABLE, false],
];

/** A key may do what is named and nothing else: one that both wraps and deciphers gives any other key away. */
function onlyFor(...allowed: readonly number[]): readonly Attribute[] {
  return [CKA.ENCRYPT, CKA.DECRYPT, CKA.SIGN, CKA.WRAP, CKA.UNWRAP, CKA.DERIVE, CKA.VERIFY].map(
    (use): Attribute => [use, allowed.includes(use)],
  );
}

/** Attributes of a base derivation key: it enciphers derivation data. */
export function derivationKeyRules(): readonly Attribute[] {
  return [[CKA.CLASS, CKO.SECRET_KEY], [CKA.KEY_TYPE, CKK.AES], ...KEPT, ...onlyFor(CKA.ENCRYPT)];
}

/** Attributes of the key from which a keystore's master key is derived: it makes MACs. */
export function rootKeyRules(): readonly Attribute[] {
  return [[CKA.CLASS, CKO.SECRET_KEY], [CKA.KEY_TYPE, CKK.GENERIC_SECRET], ...KEPT, ...onlyFor(CKA.SIGN)];
}

/** Attributes of a private key: it signs. */
export function signingKeyRules(): readonly Attribute[] {
  const uses = onlyFor(CKA.SIGN).filter(([type]) => type !== CKA.ENCRYPT && type !== CKA.WRAP && type !== CKA.VERIFY);
  return [[CKA.CLASS, CKO.PRIVATE_KEY], [CKA.KEY_TYPE, CKK.EC], ...KEPT, ...uses];
}

/**
 * What a token says of a key by itself: it was made there, and never could leave it; or it was brought, and has been known
 * elsewhere. A key of the one origin does not pass for one of the other.
 */
function historyOf(origin: KeyOrigin): readonly Attribute[] {
  const made = origin === 'made-there';
  return [
    [CKA.LOCAL, made],
    [CKA.ALWAYS_SENSITIVE, made],
    [CKA.NEVER_EXTRACTABLE, made],
  ];
}

/** True where an object has every attribute as the rules say; an attribute that is not told is not as they say. */
export function rulesHold(
  session: TokenSession,
  object: ObjectHandle,
  rules: readonly Attribute[],
  origin: KeyOrigin = 'made-there',
): boolean {
  const expected = [...rules, ...historyOf(origin)];
  const told = session.read(
    object,
    expected.map(([type, value]) => ({ type, length: typeof value === 'boolean' ? 1 : WORD })),
  );
  return expected.every(([, value], at) => {
    const bytes = told[at] ?? null;
    if (bytes === null) return false;
    if (typeof value === 'boolean') return bytes.length === 1 && (bytes[0] !== 0) === value;
    return bytes.length === WORD && bytes.readBigUInt64LE() === BigInt(Number(value));
  });
}
