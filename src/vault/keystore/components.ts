import { equalBytes } from '../../encoding/digest.ts';
import { bytesOfHex } from '../../payment-crypto/hex.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { shown } from './slot.ts';

/** A component of a key as one custodian brings it. */
export interface KeyComponent {
  /** 32, 48 or 64 hexadecimal digits (of TDEA 32 or 48); every component of a key has the same length. */
  readonly component: string;
  /** Check value beside it, hexadecimal: of AES CMAC over 16 zero bytes, 3 to 5 bytes; of TDEA E(0), 3 bytes. */
  readonly kcv: string;
}

/** Why components make no key. The detail is the number of the component, from 1. */
export type ComponentFault =
  | 'COMPONENTS_COUNT'
  | 'COMPONENT_MALFORMED'
  | 'COMPONENT_LENGTH'
  | 'COMPONENT_KCV'
  | 'COMPONENT_REPEATED'
  /** All bytes are the same: nobody drew it at random, and one of zeros leaves the key to the other custodians alone. */
  | 'COMPONENT_CONSTANT'
  /** A TDEA key two parts of which are the same. */
  | 'COMPONENTS_WEAK';

/** A key joined from components. The caller wipes it. */
export interface JoinedKey {
  readonly key: SecretKey;
  /** Check value, 10 hexadecimal digits, or 6 of TDEA: the custodians compare it with what the other side shows. */
  readonly kcv: string;
}

const FEWEST = 2;
const MOST = 9;
const SHORTEST_KCV = 3;

/** What is entered by components. */
export type ComponentAlgorithm = 'AES' | 'TDES';

/** Reads one component by itself: what its custodian is told at once. The caller wipes it. */
export function readComponent(
  { component, kcv }: KeyComponent,
  number: string,
  algorithm: ComponentAlgorithm = 'AES',
): Result<SecretKey, ComponentFault> {
  const bytes = bytesOfHex(component);
  if (bytes === undefined) return refuse('COMPONENT_MALFORMED', number);
  const key = SecretKey.parse(algorithm, bytes);
  const constant = isConstant(bytes, algorithm);
  bytes.fill(0);
  if (!key.ok) return refuse('COMPONENT_LENGTH', number);
  if (constant) {
    key.value.wipe();
    return refuse('COMPONENT_CONSTANT', number);
  }
  const expected = bytesOfHex(kcv);
  const actual = keyCheckValue(key.value);
  const agrees =
    expected !== undefined &&
    expected.length >= SHORTEST_KCV &&
    expected.length <= actual.length &&
    equalBytes(actual.subarray(0, expected.length), expected);
  if (agrees) return key;
  key.value.wipe();
  return refuse('COMPONENT_KCV', number);
}

/**
 * Joins 2 to 9 components by XOR (X9.24-2, split knowledge), once each one's check value agrees. A component that is there
 * twice is refused: two equal ones cancel out, and the key is no longer known by all custodians together only.
 */
export function joinComponents(
  components: readonly KeyComponent[],
  algorithm: ComponentAlgorithm = 'AES',
): Result<JoinedKey, ComponentFault> {
  if (components.length < FEWEST || components.length > MOST) return refuse('COMPONENTS_COUNT');
  const read: SecretKey[] = [];
  try {
    for (const [index, component] of components.entries()) {
      const number = String(index + 1);
      const key = readComponent(component, number, algorithm);
      if (!key.ok) return key;
      read.push(key.value);
      if (key.value.length !== read[0]?.length) return refuse('COMPONENT_LENGTH', number);
      if (read.slice(0, -1).some((other) => isSame(other, key.value))) return refuse('COMPONENT_REPEATED', number);
    }
    const joined = new Uint8Array(new ArrayBuffer(read[0]?.length ?? 0));
    for (const key of read) {
      key.use((bytes) => {
        for (let at = 0; at < joined.length; at++) joined[at] = (joined[at] ?? 0) ^ (bytes[at] ?? 0);
      });
    }
    if (isConstant(joined, algorithm)) {
      joined.fill(0);
      return refuse('COMPONENT_REPEATED');
    }
    if (algorithm === 'TDES' && hasEqualParts(joined)) {
      joined.fill(0);
      return refuse('COMPONENTS_WEAK');
    }
    const key = SecretKey.ofOwned(algorithm, joined);
    return ok({ key, kcv: shown(keyCheckValue(key)) });
  } finally {
    for (const key of read) key.wipe();
  }
}

/** The bits of a byte that are of the key: in TDEA the lowest is parity (FIPS 46-3). */
function keyBits(algorithm: string): number {
  return algorithm === 'AES' ? 0xff : 0xfe;
}

function isConstant(bytes: Uint8Array, algorithm: ComponentAlgorithm): boolean {
  const bits = keyBits(algorithm);
  return bytes.every((byte) => (byte & bits) === ((bytes[0] ?? 0) & bits));
}

/** True where two components are the same key, whatever their parity bits; the time does not tell where they differ. */
function isSame(one: SecretKey, other: SecretKey): boolean {
  const bits = keyBits(one.algorithm);
  return one.use((left) =>
    other.use((right) => left.reduce((sum, byte, at) => sum | ((byte ^ right[at]!) & bits), 0) === 0),
  );
}

/** True of a TDEA key whose parts are not all different: it is weaker than its length says. */
function hasEqualParts(key: Uint8Array): boolean {
  const parts = [0, 8, 16]
    .filter((at) => at < key.length)
    .map((at) => key.slice(at, at + 8).map((byte) => byte & keyBits('TDES')));
  const equal = parts.some((part, at) => parts.slice(0, at).some((other) => equalBytes(part, other)));
  for (const part of parts) part.fill(0);
  return equal;
}

/** A new random component of an AES-256 key, and its check value: what one custodian keeps and brings. */
export function newComponent(random: Random): KeyComponent {
  const key = SecretKey.generate('AES', 256, random);
  const component = key.use((bytes) => Buffer.from(bytes).toString('hex').toUpperCase());
  const kcv = keyCheckValue(key).toString('hex').toUpperCase();
  key.wipe();
  return { component, kcv };
}
