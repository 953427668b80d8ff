import { equalBytes } from '../../encoding/digest.ts';
import type { Tolerance } from '../../keys/tolerance.ts';
import { bytesOfHex } from '../../payment-crypto/hex.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import type { KeyBlockAttributes } from '../../payment-crypto/key-block/attributes.ts';
import { importKeyBlock, type KeyBlockDeviation } from '../../payment-crypto/key-block/import.ts';
import type { OptionalContent } from '../../payment-crypto/key-block/optional-content.ts';
import type { KeyBlockReason } from '../../payment-crypto/reason.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Refusal, type Result, refuse } from '../../reasons/result.ts';
import type { Slot } from './slot.ts';

/** Why a key that comes from outside is not taken. */
export type IncomingFault =
  | 'KEY_BLOCK_MALFORMED'
  | 'KEY_BLOCK_NOT_GENUINE'
  /** The detail names the departure. */
  | 'KEY_DEVIATION'
  | 'KEY_ATTRIBUTES_MISMATCH'
  | 'KEY_CHECK_VALUE_MISMATCH'
  | 'KEY_ALREADY_HELD';

/** What a key of a kind has to be when it comes in: AES of so many bits. */
export interface KeyForm {
  readonly usage: string;
  /**
   * Modes of use. A key that this side wraps for an acquirer says D, the acquirer's own E: the one block does not pass for
   * the other, though the zone KEK is the same.
   */
  readonly modes: string;
  readonly bits: number;
}

/** A key that came in. The caller wipes it. */
export interface IncomingKey {
  readonly key: SecretKey;
  readonly exportability: 'E' | 'N' | 'S';
  readonly optional: readonly OptionalContent[];
  readonly tolerated: readonly string[];
}

const FORMS = {
  'zone-pin': { usage: 'P0', modes: 'EB', bits: 128 },
  'zone-data': { usage: 'D0', modes: 'EB', bits: 128 },
  'bdk-pin': { usage: 'B0', modes: 'X', bits: 128 },
  'bdk-account-data': { usage: 'B0', modes: 'X', bits: 128 },
} as const satisfies Record<string, KeyForm>;

/** The form of a key of this kind. */
export function formOf(kind: keyof typeof FORMS): KeyForm {
  return FORMS[kind];
}

const EXPORTABILITIES = ['E', 'N', 'S'] as const;
const LEAST_KCV_BYTES = 3;

/**
 * Holds what a key says of itself against what it is to be; answers the key with its tolerances, or wipes it. The mode N,
 * which says nothing, is taken only where it is tolerated.
 */
export function checkForm(
  bytes: SecretBytes,
  attributes: KeyBlockAttributes,
  form: KeyForm,
  tolerate: ReadonlySet<Tolerance>,
): Result<Pick<IncomingKey, 'key' | 'exportability' | 'tolerated'>, IncomingFault> {
  const refused = (reason: IncomingFault, detail: string): Refusal<IncomingFault> => {
    bytes.wipe();
    return refuse(reason, detail);
  };
  const { usage, algorithm, modeOfUse } = attributes;
  if (usage !== form.usage) return refused('KEY_ATTRIBUTES_MISMATCH', 'usage');
  if (algorithm !== 'A' || !(bytes instanceof SecretKey) || bytes.algorithm !== 'AES')
    return refused('KEY_ATTRIBUTES_MISMATCH', 'algorithm');
  // X9.143:2021 6.3.4: a version that begins with c is a component, not a key.
  if (attributes.keyVersion.startsWith('c')) return refused('KEY_ATTRIBUTES_MISMATCH', 'a component');
  if (bytes.bits !== form.bits) return refused('KEY_ATTRIBUTES_MISMATCH', 'length');
  const exportability = EXPORTABILITIES.find((known) => known === attributes.exportability);
  if (exportability === undefined) return refused('KEY_ATTRIBUTES_MISMATCH', 'exportability');
  if (form.modes.includes(modeOfUse)) return ok({ key: bytes, exportability, tolerated: [] });
  if (modeOfUse !== 'N') return refused('KEY_ATTRIBUTES_MISMATCH', 'mode of use');
  if (!tolerate.has('MODE_OF_USE_N')) return refused('KEY_DEVIATION', 'MODE_OF_USE_N');
  return ok({ key: bytes, exportability, tolerated: ['MODE_OF_USE_N'] });
}

const BLOCK_FAULTS: Partial<Readonly<Record<KeyBlockReason, IncomingFault>>> = {
  KEY_BLOCK_MAC: 'KEY_BLOCK_NOT_GENUINE',
  KEY_CHECK_VALUE: 'KEY_CHECK_VALUE_MISMATCH',
  KEY_LENGTH: 'KEY_ATTRIBUTES_MISMATCH',
  DEVIATION_NOT_ACCEPTED: 'KEY_DEVIATION',
};

const OTHER_VERSIONS: Readonly<Record<string, Tolerance>> = { B: 'VERSION_B', C: 'VERSION_C', E: 'VERSION_E' };

/** The version's own departure: none of D; of A there is none that may be tolerated. */
function versionOf(block: string, tolerate: ReadonlySet<Tolerance>): Result<readonly Tolerance[], IncomingFault> {
  const letter = block.slice(0, 1);
  if (letter === 'D') return ok([]);
  const departure = Object.hasOwn(OTHER_VERSIONS, letter) ? OTHER_VERSIONS[letter] : undefined;
  if (departure === undefined) return refuse('KEY_BLOCK_MALFORMED', 'version');
  return tolerate.has(departure) ? ok([departure]) : refuse('KEY_DEVIATION', departure);
}

const WEAKER = 'KBPK_WEAKER_THAN_KEY' satisfies Tolerance;
/** Weaker, weaker and asymmetric. */
const WEAKER_PEDIGREES: ReadonlySet<number> = new Set([1, 3]);

/** A key is as strong as the weakest key that it was ever wrapped under: its pedigree says so (X9.143:2021, block WP). */
function wasUnderWeakerKey(optional: readonly OptionalContent[]): boolean {
  return optional.some((block) => block.id === 'WP' && WEAKER_PEDIGREES.has(block.pedigree));
}

/**
 * Opens a key block that comes from outside: version D without any departure from X9.143 but those that are tolerated by
 * name, attributes of the form that is expected. The caller wipes the key.
 */
export function openIncomingBlock(
  block: string,
  kbpk: SecretKey,
  form: KeyForm,
  tolerate: ReadonlySet<Tolerance>,
): Result<IncomingKey, IncomingFault> {
  const version = versionOf(block, tolerate);
  if (!version.ok) return version;
  const known = new Set<string>(tolerate);
  // Whoever tolerates version C knows that it is obsolete.
  if (tolerate.has('VERSION_C')) known.add('OBSOLETE_VERSION');
  const opened = importKeyBlock(block, kbpk, { tolerate: known as ReadonlySet<KeyBlockDeviation> });
  if (!opened.ok) {
    const reason = BLOCK_FAULTS[opened.reason] ?? 'KEY_BLOCK_MALFORMED';
    return refuse(reason, reason === 'KEY_DEVIATION' ? opened.detail : opened.reason);
  }
  const { key, header, optional, tolerated } = opened.value;
  const formed = checkForm(key, header, form, tolerate);
  if (!formed.ok) return formed;
  const departures = new Set<string>([...version.value, ...tolerated.filter((name) => name !== 'OBSOLETE_VERSION')]);
  if (wasUnderWeakerKey(optional)) {
    if (!tolerate.has(WEAKER)) {
      formed.value.key.wipe();
      return refuse('KEY_DEVIATION', WEAKER);
    }
    departures.add(WEAKER);
  }
  return ok({ ...formed.value, optional, tolerated: [...departures, ...formed.value.tolerated] });
}

/** Whether the key has the check value that its sender stated: 3 to 5 bytes of CMAC, hexadecimal, or no text at all. */
export function checkStated(key: SecretKey, stated: string): Result<null, 'KEY_CHECK_VALUE_MISMATCH'> {
  if (stated === '') return ok(null);
  const expected = bytesOfHex(stated);
  const actual = keyCheckValue(key);
  const agrees =
    expected !== undefined &&
    expected.length >= LEAST_KCV_BYTES &&
    expected.length <= actual.length &&
    equalBytes(actual.subarray(0, expected.length), expected);
  return agrees ? ok(null) : refuse('KEY_CHECK_VALUE_MISMATCH');
}

/**
 * Refuses a key that any slot has or had, by its check value: one that serves two purposes or two acquirers, that comes a
 * second time, or that was compromised.
 */
export function checkFresh(slots: readonly Slot[], kcv: string): Result<null, 'KEY_ALREADY_HELD'> {
  const held = slots.find((slot) => slot.kcv === kcv);
  return held === undefined ? ok(null) : refuse('KEY_ALREADY_HELD', held.id);
}
