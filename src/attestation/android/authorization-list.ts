import type { DerReader } from '../../encoding/der.ts';
import { explicitNumber, NO_TAG, TAG } from '../../encoding/der-tag.ts';
import { type RootOfTrust, readRootOfTrust } from './root-of-trust.ts';

/** What a key may be used for (KeyMint `KeyPurpose`); one that is not known is named by its number. */
export type KeyPurpose =
  | 'ENCRYPT'
  | 'DECRYPT'
  | 'SIGN'
  | 'VERIFY'
  | 'WRAP_KEY'
  | 'AGREE_KEY'
  | 'ATTEST_KEY'
  | `UNKNOWN_${number}`;

/** Where a key came from (KeyMint `KeyOrigin`). */
export type KeyOrigin = 'GENERATED' | 'DERIVED' | 'IMPORTED' | 'SECURELY_IMPORTED' | `UNKNOWN_${number}`;

/** Identifiers of the phone, attested where the app asked for them. */
export interface DeviceIds {
  readonly brand: string | null;
  readonly device: string | null;
  readonly product: string | null;
  readonly serial: string | null;
  readonly imei: string | null;
  readonly secondImei: string | null;
  readonly meid: string | null;
  readonly manufacturer: string | null;
  readonly model: string | null;
}

/** An authorisation that this verifier has no name for. */
export interface UnknownAuthorization {
  readonly tag: number;
  /** DER inside the explicit tag. */
  readonly value: Uint8Array;
}

/** One of the two lists of a key description. Null or empty where the list does not state it. */
export interface AuthorizationList {
  readonly purposes: readonly KeyPurpose[];
  /** KeyMint `Algorithm`: 1 RSA, 3 EC. */
  readonly algorithm: number | null;
  readonly keySize: number | null;
  /** KeyMint `Digest` numbers. */
  readonly digests: readonly number[];
  /** KeyMint `PaddingMode` numbers. */
  readonly paddings: readonly number[];
  /** KeyMint `Digest` numbers that MGF1 of OAEP may use; Keymaster states none and uses SHA-1. */
  readonly mgfDigests: readonly number[];
  /** KeyMint `EcCurve`: 1 P-256. */
  readonly ecCurve: number | null;
  readonly allApplications: boolean;
  readonly noAuthRequired: boolean;
  readonly origin: KeyOrigin | null;
  /** Milliseconds since 1970. */
  readonly creationDateTime: number | null;
  readonly rootOfTrust: RootOfTrust | null;
  readonly osVersion: number | null;
  /** YYYYMM. */
  readonly osPatchLevel: number | null;
  /** YYYYMMDD; some phones state YYYYMM. */
  readonly vendorPatchLevel: number | null;
  readonly bootPatchLevel: number | null;
  /** Octets of tag 709: DER of an AttestationApplicationId. */
  readonly applicationId: Uint8Array | null;
  readonly deviceIds: DeviceIds | null;
  readonly moduleHash: Buffer | null;
  readonly unknown: readonly UnknownAuthorization[];
  /** False where the tags do not ascend, as DER's order of a SEQUENCE's optional fields asks. */
  readonly ordered: boolean;
}

const PURPOSES = new Map<number, KeyPurpose>([
  [0, 'ENCRYPT'],
  [1, 'DECRYPT'],
  [2, 'SIGN'],
  [3, 'VERIFY'],
  [5, 'WRAP_KEY'],
  [6, 'AGREE_KEY'],
  [7, 'ATTEST_KEY'],
]);

const ORIGINS = new Map<number, KeyOrigin>([
  [0, 'GENERATED'],
  [1, 'DERIVED'],
  [2, 'IMPORTED'],
  [4, 'SECURELY_IMPORTED'],
]);

const DEVICE_ID_TAGS = new Map<number, keyof DeviceIds>([
  [710, 'brand'],
  [711, 'device'],
  [712, 'product'],
  [713, 'serial'],
  [714, 'imei'],
  [715, 'meid'],
  [716, 'manufacturer'],
  [717, 'model'],
  [723, 'secondImei'],
]);

const NO_DEVICE_IDS: DeviceIds = {
  brand: null,
  device: null,
  product: null,
  serial: null,
  imei: null,
  secondImei: null,
  meid: null,
  manufacturer: null,
  model: null,
};

/** Tags of the published schemas (Keymaster 2 to KeyMint 4) whose values no rule looks at. */
const UNREAD = new Set([
  4, 7, 8, 200, 303, 305, 400, 401, 402, 405, 502, 504, 505, 506, 507, 508, 509, 601, 703, 720, 721,
]);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function emptyList(): Mutable<AuthorizationList> & { unknown: UnknownAuthorization[] } {
  return {
    purposes: [],
    algorithm: null,
    keySize: null,
    digests: [],
    paddings: [],
    mgfDigests: [],
    ecCurve: null,
    allApplications: false,
    noAuthRequired: false,
    origin: null,
    creationDateTime: null,
    rootOfTrust: null,
    osVersion: null,
    osPatchLevel: null,
    vendorPatchLevel: null,
    bootPatchLevel: null,
    applicationId: null,
    deviceIds: null,
    moduleHash: null,
    unknown: [],
    ordered: true,
  };
}

function readIntegers(der: DerReader): number[] {
  const numbers: number[] = [];
  const outer = der.enter(TAG.SET);
  while (der.peek() !== NO_TAG) numbers.push(der.unsigned());
  der.leave(outer);
  return numbers;
}

function readPurpose(purpose: number): KeyPurpose {
  return PURPOSES.get(purpose) ?? `UNKNOWN_${purpose}`;
}

function readOrigin(der: DerReader): KeyOrigin {
  const origin = der.unsigned();
  return ORIGINS.get(origin) ?? `UNKNOWN_${origin}`;
}

function readNull(der: DerReader): true {
  if (der.content(TAG.NULL).length > 0) der.fail('DER_VALUE_INVALID');
  return true;
}

function readText(der: DerReader): string {
  // Phones put what their properties hold; identifiers are compared, never shown unescaped, so bytes map to one text.
  return der.content(TAG.OCTET_STRING).toString('latin1');
}

/** Reads the value of one known authorisation; false, having read nothing, for an unknown tag. */
function readKnown(tag: number, der: DerReader, list: Mutable<AuthorizationList>): boolean {
  switch (tag) {
    case 1:
      list.purposes = readIntegers(der).map(readPurpose);
      return true;
    case 2:
      list.algorithm = der.unsigned();
      return true;
    case 3:
      list.keySize = der.unsigned();
      return true;
    case 5:
      list.digests = readIntegers(der);
      return true;
    case 6:
      list.paddings = readIntegers(der);
      return true;
    case 10:
      list.ecCurve = der.unsigned();
      return true;
    case 203:
      list.mgfDigests = readIntegers(der);
      return true;
    case 503:
      list.noAuthRequired = readNull(der);
      return true;
    case 600:
      list.allApplications = readNull(der);
      return true;
    case 701:
      list.creationDateTime = der.unsigned();
      return true;
    case 702:
      list.origin = readOrigin(der);
      return true;
    case 704:
      list.rootOfTrust = readRootOfTrust(der);
      return true;
    case 705:
      list.osVersion = der.unsigned();
      return true;
    case 706:
      list.osPatchLevel = der.unsigned();
      return true;
    case 709:
      list.applicationId = der.content(TAG.OCTET_STRING);
      return true;
    case 718:
      list.vendorPatchLevel = der.unsigned();
      return true;
    case 719:
      list.bootPatchLevel = der.unsigned();
      return true;
    case 724:
      list.moduleHash = der.content(TAG.OCTET_STRING);
      return true;
    default:
      return readUnjudged(tag, der, list);
  }
}

function readUnjudged(tag: number, der: DerReader, list: Mutable<AuthorizationList>): boolean {
  const id = DEVICE_ID_TAGS.get(tag);
  if (id !== undefined) list.deviceIds = { ...(list.deviceIds ?? NO_DEVICE_IDS), [id]: readText(der) };
  else if (UNREAD.has(tag)) der.skip();
  else return false;
  return true;
}

/** Reads the next element as an AuthorizationList. A tag that stands twice is refused; unknown tags are kept. */
export function readAuthorizationList(der: DerReader): AuthorizationList {
  const list = emptyList();
  const seen: number[] = [];
  let highest = NO_TAG;
  const outer = der.enter(TAG.SEQUENCE);
  for (let tag = der.peek(); tag !== NO_TAG; tag = der.peek()) {
    const number = explicitNumber(tag);
    if (number === NO_TAG) der.fail('DER_TAG_UNEXPECTED');
    if (number > highest) highest = number;
    else if (seen.includes(number)) der.fail('DER_TAG_UNEXPECTED');
    else list.ordered = false;
    seen.push(number);
    const authorization = der.enter(tag);
    if (!readKnown(number, der, list)) list.unknown.push({ tag: number, value: der.rest() });
    der.leave(authorization);
  }
  der.leave(outer);
  return list;
}
