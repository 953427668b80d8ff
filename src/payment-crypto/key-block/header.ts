import { ok, refuse } from '../../reasons/result.ts';
import type { KeyBlockReason, PaymentResult } from '../reason.ts';
import { attributesWellFormed, type KeyBlockAttributes } from './attributes.ts';
import { formatOptionalBlock, MAX_OPTIONAL_BLOCKS, type OptionalBlock, readOptionalBlocks } from './optional-block.ts';

/** Version of a key block: A and C TDEA variants, B TDEA derivation, D AES-CBC, E AES-CTR (ISO 20038). */
export type KeyBlockVersion = 'A' | 'B' | 'C' | 'D' | 'E';

/** Characters of the longest key block: its length field has four decimal digits. */
export const MAX_KEY_BLOCK_CHARACTERS = 9999;

const FIXED_CHARACTERS = 16;

/** A key block's header, read. */
export interface KeyBlockHeader extends KeyBlockAttributes {
  readonly version: KeyBlockVersion;
  /** Characters of the whole block, as the header states it. */
  readonly statedLength: number;
  readonly optionalBlocks: readonly OptionalBlock[];
  /** Two characters, `00` where the standard's 2021 edition is followed. */
  readonly reserved: string;
  /** Characters of the header with its optional blocks. */
  readonly characters: number;
}

/** Block size to which a version aligns its header and (all but E) its payload, in bytes. */
export function versionBlockBytes(version: KeyBlockVersion): 8 | 16 {
  return version === 'D' || version === 'E' ? 16 : 8;
}

/** Bytes of a version's MAC. */
export function versionMacBytes(version: KeyBlockVersion): 4 | 8 | 16 {
  return version === 'D' || version === 'E' ? 16 : version === 'B' ? 8 : 4;
}

type HeaderReason = Extract<
  KeyBlockReason,
  | 'KEY_BLOCK_LENGTH'
  | 'KEY_BLOCK_CHARACTER'
  | 'KEY_BLOCK_VERSION'
  | 'KEY_BLOCK_ATTRIBUTE'
  | 'OPTIONAL_BLOCK_COUNT'
  | 'OPTIONAL_BLOCK_ID'
  | 'OPTIONAL_BLOCK_LENGTH'
  | 'OPTIONAL_BLOCK_DUPLICATE'
>;

function isVersion(text: string): text is KeyBlockVersion {
  return /^[A-E]$/.test(text);
}

/**
 * Reads the header at the start of a key block (X9.143:2021 6.2): 16 characters and the optional blocks that they
 * count. What follows is not looked at, and the stated length is not compared: the importer does that.
 */
export function parseKeyBlockHeader(text: string): PaymentResult<KeyBlockHeader, HeaderReason> {
  if (text.length < FIXED_CHARACTERS || text.length > MAX_KEY_BLOCK_CHARACTERS) return refuse('KEY_BLOCK_LENGTH');
  const version = text.slice(0, 1);
  if (!isVersion(version)) return refuse('KEY_BLOCK_VERSION');
  const length = text.slice(1, 5);
  if (!/^\d{4}$/.test(length)) return refuse('KEY_BLOCK_LENGTH');
  const attributes: KeyBlockAttributes = {
    usage: text.slice(5, 7),
    algorithm: text.slice(7, 8),
    modeOfUse: text.slice(8, 9),
    keyVersion: text.slice(9, 11),
    exportability: text.slice(11, 12),
  };
  if (!attributesWellFormed(attributes)) return refuse('KEY_BLOCK_ATTRIBUTE');
  const count = text.slice(12, 14);
  if (!/^\d{2}$/.test(count)) return refuse('OPTIONAL_BLOCK_COUNT');
  const reserved = text.slice(14, 16);
  if (!/^[0-9A-Z]{2}$/.test(reserved)) return refuse('KEY_BLOCK_CHARACTER');
  const optional = readOptionalBlocks(text, FIXED_CHARACTERS, Number(count));
  if (!optional.ok) return optional;
  return ok({
    version,
    statedLength: Number(length),
    ...attributes,
    optionalBlocks: optional.value.blocks,
    reserved,
    characters: optional.value.end,
  });
}

/** Random characters of an alphabet: what a padding block is filled with. */
export type PaddingCharacters = (count: number) => string;

/**
 * Pads optional blocks with a PB block so that together they fill whole cipher blocks, as X9.143:2021 6.3.6 asks of
 * every version. Returns them unchanged where nothing is missing.
 */
function padded(blocks: readonly OptionalBlock[], blockBytes: number, padding: PaddingCharacters): OptionalBlock[] {
  const characters = blocks.reduce((sum, block) => sum + formatOptionalBlock(block).length, 0);
  if (characters % blockBytes === 0) return [...blocks];
  const content = (blockBytes - ((characters + 4) % blockBytes)) % blockBytes;
  return [...blocks, { id: 'PB', content: padding(content) }];
}

/**
 * Writes a header with its optional blocks, and a PB block where they need one. `payloadBytes` is the size of the
 * enciphered payload. Refuses with KEY_BLOCK_LENGTH or OPTIONAL_BLOCK_COUNT what the header's fields cannot state.
 */
export function formatKeyBlockHeader(
  version: KeyBlockVersion,
  attributes: KeyBlockAttributes,
  optionalBlocks: readonly OptionalBlock[],
  payloadBytes: number,
  padding: PaddingCharacters,
): PaymentResult<string, 'KEY_BLOCK_LENGTH' | 'OPTIONAL_BLOCK_COUNT'> {
  const blocks = padded(optionalBlocks, versionBlockBytes(version), padding);
  if (blocks.length > MAX_OPTIONAL_BLOCKS) return refuse('OPTIONAL_BLOCK_COUNT');
  const optional = blocks.map(formatOptionalBlock).join('');
  const total = FIXED_CHARACTERS + optional.length + 2 * (payloadBytes + versionMacBytes(version));
  if (total > MAX_KEY_BLOCK_CHARACTERS) return refuse('KEY_BLOCK_LENGTH');
  const { usage, algorithm, modeOfUse, keyVersion, exportability } = attributes;
  const length = String(total).padStart(4, '0');
  const count = String(blocks.length).padStart(2, '0');
  return ok(`${version}${length}${usage}${algorithm}${modeOfUse}${keyVersion}${exportability}${count}00${optional}`);
}
