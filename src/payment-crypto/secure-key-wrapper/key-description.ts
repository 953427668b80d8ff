import {
  CONTEXT,
  type DerElement,
  derElement,
  derSequence,
  derUnsigned,
  isUniversal,
  NULL,
  readDerElements,
  readUnsigned,
  SEQUENCE,
  SET,
  UNIVERSAL,
} from './der.ts';

/** Format of the wrapped key material: RAW for symmetric keys, PKCS8 for private keys. */
export const KEY_FORMATS = { X509: 0, PKCS8: 1, RAW: 3 } as const;

/** Values of KeyMint that wrapped symmetric keys use. */
export const KEYMINT = {
  algorithm: { AES: 32, TRIPLE_DES: 33, HMAC: 128 },
  purpose: { ENCRYPT: 0, DECRYPT: 1, SIGN: 2, VERIFY: 3 },
  blockMode: { ECB: 1, CBC: 2, CTR: 3, GCM: 32 },
  padding: { NONE: 1, PKCS7: 64 },
  digest: { NONE: 0, SHA1: 2, SHA_2_256: 4 },
} as const;

/** What Keystore will allow the imported key to do: the authorization tags that a wrapped key may carry. */
export interface KeyAuthorizations {
  /** [1] */
  readonly purpose?: readonly number[];
  /** [2] */
  readonly algorithm?: number;
  /** [3], bits */
  readonly keySize?: number;
  /** [4] */
  readonly blockMode?: readonly number[];
  /** [5] */
  readonly digest?: readonly number[];
  /** [6] */
  readonly padding?: readonly number[];
  /** [7] */
  readonly callerNonce?: boolean;
  /** [8], bits */
  readonly minMacLength?: number;
  /** [10] */
  readonly ecCurve?: number;
  /** [503] */
  readonly noAuthRequired?: boolean;
}

/** KeyDescription of a SecureKeyWrapper: format, authorizations, and the tags that are not among them. */
export interface KeyDescription {
  readonly keyFormat: number;
  readonly authorizations: KeyAuthorizations;
  /** Tag numbers that were met and are not read here. */
  readonly otherTags: readonly number[];
}

type Shape = 'set' | 'integer' | 'null';

/** Authorization tags in the order of their numbers, which is DER's. */
const TAGS: readonly { readonly tag: number; readonly name: keyof KeyAuthorizations; readonly shape: Shape }[] = [
  { tag: 1, name: 'purpose', shape: 'set' },
  { tag: 2, name: 'algorithm', shape: 'integer' },
  { tag: 3, name: 'keySize', shape: 'integer' },
  { tag: 4, name: 'blockMode', shape: 'set' },
  { tag: 5, name: 'digest', shape: 'set' },
  { tag: 6, name: 'padding', shape: 'set' },
  { tag: 7, name: 'callerNonce', shape: 'null' },
  { tag: 8, name: 'minMacLength', shape: 'integer' },
  { tag: 10, name: 'ecCurve', shape: 'integer' },
  { tag: 503, name: 'noAuthRequired', shape: 'null' },
];
const MOST_TAGS = 32;
const MOST_MEMBERS = 16;

function readSet(element: DerElement): number[] | undefined {
  const members = isUniversal(element, SET) ? readDerElements(element.content, MOST_MEMBERS) : undefined;
  const values = members?.map(readUnsigned);
  return values?.every((value) => value !== undefined) ? values : undefined;
}

function readShape(shape: Shape, element: DerElement | undefined): number | number[] | true | undefined {
  if (element === undefined) return undefined;
  if (shape === 'set') return readSet(element);
  if (shape === 'integer') return readUnsigned(element);
  return isUniversal(element, NULL) && element.content.length === 0 ? true : undefined;
}

function readAuthorizations(list: Uint8Array): Pick<KeyDescription, 'authorizations' | 'otherTags'> | undefined {
  const elements = readDerElements(list, MOST_TAGS);
  if (elements === undefined) return undefined;
  const authorizations: Record<string, unknown> = {};
  const otherTags: number[] = [];
  let last = 0;
  for (const element of elements) {
    if (element.tagClass !== CONTEXT || !element.constructed || element.tag <= last) return undefined;
    last = element.tag;
    const known = TAGS.find(({ tag }) => tag === element.tag);
    if (known === undefined) {
      otherTags.push(element.tag);
      continue;
    }
    const inner = readDerElements(element.content, 1);
    const value = readShape(known.shape, inner?.[0]);
    if (value === undefined) return undefined;
    authorizations[known.name] = value;
  }
  return { authorizations, otherTags };
}

/** Reads KeyDescription ::= SEQUENCE { keyFormat INTEGER, keyParams AuthorizationList }; undefined where it is none. */
export function readKeyDescription(element: DerElement | undefined): KeyDescription | undefined {
  const members = isUniversal(element, SEQUENCE) ? readDerElements(element.content, 2) : undefined;
  const keyFormat = readUnsigned(members?.[0]);
  const list = members?.[1];
  if (keyFormat === undefined || !isUniversal(list, SEQUENCE)) return undefined;
  const read = readAuthorizations(list.content);
  return read === undefined ? undefined : { keyFormat, ...read };
}

function writeShape(value: number | boolean | readonly number[]): Buffer {
  if (typeof value === 'boolean') return derElement(UNIVERSAL, NULL, false);
  if (typeof value === 'number') return derUnsigned(value);
  const members = [...new Set(value)].sort((a, b) => a - b).map(derUnsigned);
  return derElement(UNIVERSAL, SET, true, ...members);
}

/** Writes KeyDescription in DER: tags in the order of their numbers, members of sets ascending, `false` left out. */
export function derKeyDescription(keyFormat: number, authorizations: KeyAuthorizations): Buffer {
  const list = TAGS.flatMap(({ tag, name }) => {
    const value = authorizations[name];
    return value === undefined || value === false ? [] : [derElement(CONTEXT, tag, true, writeShape(value))];
  });
  return derSequence(derUnsigned(keyFormat), derSequence(...list));
}
