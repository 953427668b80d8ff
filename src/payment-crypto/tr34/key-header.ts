import { ok, refuse } from '../../reasons/result.ts';
import {
  type AttributeDeviation,
  attributeDeviations,
  attributesWellFormed,
  type KeyBlockAttributes,
} from '../key-block/attributes.ts';
import { type KeyBlockHeader, parseKeyBlockHeader } from '../key-block/header.ts';
import { formatOptionalBlock, MAX_OPTIONAL_BLOCKS } from '../key-block/optional-block.ts';
import { type OptionalContent, writeOptionalContent } from '../key-block/optional-content.ts';
import type { KeyBlockReason, PaymentResult } from '../reason.ts';
import { type KeyAlgorithm, SecretKey } from '../secret-key.ts';

const HEADER_ALGORITHMS: Readonly<Record<KeyAlgorithm, string>> = { AES: 'A', TDES: 'T', HMAC: 'H' };
const FIXED_CHARACTERS = 16;
const MOST_CHARACTERS = 1024;

/** The algorithm that a header names, or undefined where it is none of a symmetric key. */
function algorithmOf(letter: string): KeyAlgorithm | undefined {
  return (['AES', 'TDES', 'HMAC'] as const).find((algorithm) => HEADER_ALGORITHMS[algorithm] === letter);
}

/**
 * Writes the key block header that a key travels with (TR-34:2019 5.4.2): that of a key block, version B for a TDEA key
 * and D for any other, whose stated length is its own. Refuses with KEY_BLOCK_ATTRIBUTE attributes that X9.143 does not
 * allow or that are not the key's, and as optional blocks do.
 */
export function formatKeyHeader(
  key: SecretKey,
  attributes: KeyBlockAttributes,
  optional: readonly OptionalContent[],
): PaymentResult<string, KeyBlockReason> {
  const { usage, algorithm, modeOfUse, keyVersion, exportability } = attributes;
  if (!attributesWellFormed(attributes) || attributeDeviations(attributes).length > 0)
    return refuse('KEY_BLOCK_ATTRIBUTE');
  if (HEADER_ALGORITHMS[key.algorithm] !== algorithm) return refuse('KEY_BLOCK_ATTRIBUTE', 'algorithm');
  if (optional.length > MAX_OPTIONAL_BLOCKS) return refuse('OPTIONAL_BLOCK_COUNT');
  let blocks = '';
  for (const content of optional) {
    const block = writeOptionalContent(content);
    if (!block.ok) return block;
    blocks += formatOptionalBlock(block.value);
  }
  const characters = FIXED_CHARACTERS + blocks.length;
  if (characters > MOST_CHARACTERS) return refuse('KEY_BLOCK_LENGTH');
  const version = key.algorithm === 'TDES' ? 'B' : 'D';
  const length = String(characters).padStart(4, '0');
  const count = String(optional.length).padStart(2, '0');
  return ok(`${version}${length}${usage}${algorithm}${modeOfUse}${keyVersion}${exportability}${count}00${blocks}`);
}

/** A header that came with a key, and what about it departs from X9.143. */
export interface ReadKeyHeader {
  readonly header: KeyBlockHeader;
  readonly deviations: readonly AttributeDeviation[];
}

/**
 * Reads a header that travels with a key. The stated length is not compared: the standard's samples state one that is
 * neither the header's nor the token's. Refuses with TR34_HEADER.
 */
export function readKeyHeader(header: Uint8Array): PaymentResult<ReadKeyHeader, 'TR34_HEADER'> {
  if (header.length > MOST_CHARACTERS) return refuse('TR34_HEADER');
  const text = Buffer.from(header).toString('latin1');
  const read = parseKeyBlockHeader(text);
  if (!read.ok) return refuse('TR34_HEADER', read.reason);
  if (read.value.characters !== text.length) return refuse('TR34_HEADER', 'characters behind the optional blocks');
  return ok({ header: read.value, deviations: attributeDeviations(read.value) });
}

/** The key of a header's algorithm. Refuses with TR34_HEADER one that is not symmetric, or KEY_LENGTH. */
export function keyOfHeader(
  header: KeyBlockHeader,
  clear: Uint8Array,
): PaymentResult<SecretKey, 'TR34_HEADER' | 'KEY_LENGTH'> {
  const algorithm = algorithmOf(header.algorithm);
  return algorithm === undefined ? refuse('TR34_HEADER', 'algorithm') : SecretKey.parse(algorithm, clear);
}
