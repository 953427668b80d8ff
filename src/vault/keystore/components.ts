import { equalBytes } from '../../encoding/digest.ts';
import { bytesOfHex } from '../../payment-crypto/hex.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { shown } from './slot.ts';

/** A component of an AES key as one custodian brings it. */
export interface KeyComponent {
  /** 32, 48 or 64 hexadecimal digits; every component of a key has the same length. */
  readonly component: string;
  /** Check value that is written beside it: CMAC over 16 zero bytes, its first 3 to 5 bytes, hexadecimal. */
  readonly kcv: string;
}

/** Why components make no key. The detail is the number of the component, from 1. */
export type ComponentFault =
  | 'COMPONENTS_COUNT'
  | 'COMPONENT_MALFORMED'
  | 'COMPONENT_LENGTH'
  | 'COMPONENT_KCV'
  | 'COMPONENT_REPEATED';

/** A key joined from components. The caller wipes it. */
export interface JoinedKey {
  readonly key: SecretKey;
  /** Check value, 10 hexadecimal digits: the custodians compare it with what the other side shows. */
  readonly kcv: string;
}

const FEWEST = 2;
const MOST = 9;
const SHORTEST_KCV = 3;

function readComponent({ component, kcv }: KeyComponent, number: string): Result<SecretKey, ComponentFault> {
  const bytes = bytesOfHex(component);
  if (bytes === undefined) return refuse('COMPONENT_MALFORMED', number);
  const key = SecretKey.parse('AES', bytes);
  bytes.fill(0);
  if (!key.ok) return refuse('COMPONENT_LENGTH', number);
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
export function joinComponents(components: readonly KeyComponent[]): Result<JoinedKey, ComponentFault> {
  if (components.length < FEWEST || components.length > MOST) return refuse('COMPONENTS_COUNT');
  const read: SecretKey[] = [];
  try {
    for (const [index, component] of components.entries()) {
      const number = String(index + 1);
      const key = readComponent(component, number);
      if (!key.ok) return key;
      read.push(key.value);
      if (key.value.length !== read[0]?.length) return refuse('COMPONENT_LENGTH', number);
      if (read.slice(0, -1).some((other) => other.equals(key.value))) return refuse('COMPONENT_REPEATED', number);
    }
    const joined = new Uint8Array(new ArrayBuffer(read[0]?.length ?? 0));
    for (const key of read) {
      key.use((bytes) => {
        for (let at = 0; at < joined.length; at++) joined[at] = (joined[at] ?? 0) ^ (bytes[at] ?? 0);
      });
    }
    if (joined.every((byte) => byte === 0)) return refuse('COMPONENT_REPEATED');
    const key = SecretKey.ofOwned('AES', joined);
    return ok({ key, kcv: shown(keyCheckValue(key)) });
  } finally {
    for (const key of read) key.wipe();
  }
}

/** A new random component of an AES-256 key, and its check value: what one custodian keeps and brings. */
export function newComponent(random: Random): KeyComponent {
  const key = SecretKey.generate('AES', 256, random);
  const component = key.use((bytes) => Buffer.from(bytes).toString('hex').toUpperCase());
  const kcv = keyCheckValue(key).toString('hex').toUpperCase();
  key.wipe();
  return { component, kcv };
}
