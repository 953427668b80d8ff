import { equalBytes } from '../../encoding/digest.ts';
import { ok, type Refusal, refuse } from '../../reasons/result.ts';
import { keyCheckValue } from '../kcv.ts';
import type { KeyBlockReason, PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';
import { effectiveStrength, type KeyAlgorithm, SecretKey } from '../secret-key.ts';
import { type AttributeDeviation, attributeDeviations } from './attributes.ts';
import { type KeyBlockHeader, parseKeyBlockHeader, versionBlockBytes, versionMacBytes } from './header.ts';
import { type OptionalContent, readOptionalContent } from './optional-content.ts';
import { openPayload } from './protection.ts';

/**
 * A departure from X9.143 that leaves a block genuine and readable. An importer is told every one of them, and may
 * refuse any.
 */
export type KeyBlockDeviation =
  | AttributeDeviation
  | 'OBSOLETE_VERSION'
  | 'RESERVED_FIELD_SET'
  | 'HEADER_NOT_ALIGNED'
  | 'UNKNOWN_OPTIONAL_BLOCK'
  | 'UNREADABLE_OPTIONAL_BLOCK'
  | 'NO_LENGTH_OBFUSCATION'
  | 'SINGLE_LENGTH_DEA'
  | 'KBPK_WEAKER_THAN_KEY';

/** A key block that was opened. */
export interface ImportedKeyBlock {
  readonly header: KeyBlockHeader;
  /** What the optional blocks say, of those that could be read. */
  readonly optional: readonly OptionalContent[];
  /** The wrapped key; a {@link SecretKey} where the header's algorithm is AES, TDEA or HMAC. The caller wipes it. */
  readonly key: SecretBytes;
  /** Every departure from X9.143 that was tolerated, in the order met. */
  readonly tolerated: readonly KeyBlockDeviation[];
}

/** What an importer decides. */
export interface KeyBlockImportPolicy {
  /** Deviations that are tolerated; any other is refused with DEVIATION_NOT_ACCEPTED. All where absent. */
  readonly tolerate?: ReadonlySet<KeyBlockDeviation>;
}

const KEY_ALGORITHMS: Readonly<Record<string, KeyAlgorithm>> = { A: 'AES', T: 'TDES', H: 'HMAC' };

/** Longest key of an algorithm, in bytes: to it X9.143:2021 6.1 pads, so that a block does not tell the key's length. */
export function obfuscatedKeyBytes(algorithm: string, keyBytes: number): number {
  return algorithm === 'A' ? 32 : algorithm === 'T' ? 24 : keyBytes;
}

function headerDeviations(header: KeyBlockHeader): KeyBlockDeviation[] {
  const deviations: KeyBlockDeviation[] = attributeDeviations(header);
  if (header.version === 'A' || header.version === 'C') deviations.push('OBSOLETE_VERSION');
  if (header.reserved !== '00') deviations.push('RESERVED_FIELD_SET');
  if (header.characters % versionBlockBytes(header.version) !== 0) deviations.push('HEADER_NOT_ALIGNED');
  return deviations;
}

function readOptional(header: KeyBlockHeader): { optional: OptionalContent[]; deviations: KeyBlockDeviation[] } {
  const optional: OptionalContent[] = [];
  const deviations = new Set<KeyBlockDeviation>();
  for (const block of header.optionalBlocks) {
    const content = readOptionalContent(block);
    if (content.ok) optional.push(content.value);
    else
      deviations.add(content.reason === 'OPTIONAL_BLOCK_ID' ? 'UNKNOWN_OPTIONAL_BLOCK' : 'UNREADABLE_OPTIONAL_BLOCK');
  }
  return { optional, deviations: [...deviations] };
}

/** Splits header, payload and MAC by length and alphabet alone. */
function split(
  text: string,
  header: KeyBlockHeader,
): PaymentResult<{ ciphertext: Buffer; mac: Buffer }, 'KEY_BLOCK_LENGTH' | 'KEY_BLOCK_CHARACTER'> {
  if (header.statedLength !== text.length) return refuse('KEY_BLOCK_LENGTH');
  const macAt = text.length - 2 * versionMacBytes(header.version);
  const payload = text.slice(header.characters, macAt);
  const payloadBytes = payload.length / 2;
  const unit = header.version === 'E' ? 1 : versionBlockBytes(header.version);
  if (macAt <= header.characters || payloadBytes < 3 || payloadBytes % unit !== 0) return refuse('KEY_BLOCK_LENGTH');
  if (!/^[0-9A-F]+$/.test(text.slice(header.characters))) return refuse('KEY_BLOCK_CHARACTER');
  return ok({ ciphertext: Buffer.from(payload, 'hex'), mac: Buffer.from(text.slice(macAt), 'hex') });
}

interface WrappedKey {
  readonly key: SecretBytes;
  readonly deviations: readonly KeyBlockDeviation[];
}

function readPayload(
  clear: Uint8Array,
  header: KeyBlockHeader,
  kbpk: SecretKey,
): PaymentResult<WrappedKey, 'KEY_BLOCK_PAYLOAD' | 'KEY_LENGTH'> {
  const bits = ((clear[0] ?? 0) << 8) | (clear[1] ?? 0);
  const keyBytes = bits / 8;
  if (bits === 0 || bits % 8 !== 0 || keyBytes > clear.length - 2) return refuse('KEY_BLOCK_PAYLOAD');
  const bytes = clear.subarray(2, 2 + keyBytes);
  const deviations: KeyBlockDeviation[] = [];
  if (clear.length - 2 < obfuscatedKeyBytes(header.algorithm, keyBytes)) deviations.push('NO_LENGTH_OBFUSCATION');
  const algorithm = Object.hasOwn(KEY_ALGORITHMS, header.algorithm) ? KEY_ALGORITHMS[header.algorithm] : undefined;
  if (algorithm === undefined || (algorithm === 'TDES' && keyBytes === 8)) {
    if (keyBytes === 8 && algorithm === 'TDES') deviations.push('SINGLE_LENGTH_DEA');
    return ok({ key: new SecretBytes(bytes), deviations });
  }
  if (effectiveStrength(kbpk.algorithm, kbpk.bits) < effectiveStrength(algorithm, bits))
    deviations.push('KBPK_WEAKER_THAN_KEY');
  const key = SecretKey.parse(algorithm, bytes);
  return key.ok ? ok({ key: key.value, deviations }) : key;
}

/** True where every check value of the block agrees: KC with the wrapped key, KP with the KBPK. */
function checkValuesAgree(optional: readonly OptionalContent[], key: SecretBytes, kbpk: SecretKey): boolean {
  return optional.every((content) => {
    if (content.id !== 'KC' && content.id !== 'KP') return true;
    const checked = content.id === 'KP' ? kbpk : key;
    if (!(checked instanceof SecretKey) || checked.algorithm === 'HMAC') return true;
    const expected = Buffer.from(content.value, 'hex');
    return equalBytes(keyCheckValue(checked, content.method, expected.length), expected);
  });
}

function notTolerated(
  deviations: readonly KeyBlockDeviation[],
  policy: KeyBlockImportPolicy,
): Refusal<KeyBlockReason> | undefined {
  const refused = deviations.find((deviation) => policy.tolerate?.has(deviation) === false);
  return refused === undefined ? undefined : refuse('DEVIATION_NOT_ACCEPTED', refused);
}

/**
 * Opens a key block of any version, A to E, under its KBPK (X9.143:2021, ISO 20038; TDEA KBPK for A to C, AES for D and
 * E). Text of any origin: at most 9 999 printable characters are looked at, and nothing of the clear payload before the
 * MAC holds. Lenient by default: departures from the standard are reported in `tolerated`; a policy names the ones that
 * are accepted. Refusals are those of {@link KeyBlockReason}; none tells anything of a key.
 */
export function importKeyBlock(
  text: string,
  kbpk: SecretKey,
  policy: KeyBlockImportPolicy = {},
): PaymentResult<ImportedKeyBlock, KeyBlockReason> {
  const header = parseKeyBlockHeader(text);
  if (!header.ok) return header;
  const sealed = split(text, header.value);
  if (!sealed.ok) return sealed;
  const { optional, deviations } = readOptional(header.value);
  const outside = [...headerDeviations(header.value), ...deviations];
  const early = notTolerated(outside, policy);
  if (early !== undefined) return early;

  const clear = openPayload(header.value.version, kbpk, text.slice(0, header.value.characters), sealed.value);
  if (!clear.ok) return clear;
  const wrapped = clear.value.use((bytes) => readPayload(bytes, header.value, kbpk));
  clear.value.wipe();
  if (!wrapped.ok) return wrapped;
  const { key } = wrapped.value;
  const late = checkValuesAgree(optional, key, kbpk)
    ? notTolerated(wrapped.value.deviations, policy)
    : refuse('KEY_CHECK_VALUE');
  if (late !== undefined) {
    key.wipe();
    return late;
  }
  return ok({ header: header.value, optional, key, tolerated: [...outside, ...wrapped.value.deviations] });
}
