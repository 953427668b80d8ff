import { ok, refuse } from '../../reasons/result.ts';
import type { KeyBlockReason, PaymentResult } from '../reason.ts';

/** An optional block as it stands in the header: two-character ID and printable content. */
export interface OptionalBlock {
  readonly id: string;
  readonly content: string;
}

type OptionalBlockReason = Extract<
  KeyBlockReason,
  'OPTIONAL_BLOCK_ID' | 'OPTIONAL_BLOCK_LENGTH' | 'OPTIONAL_BLOCK_DUPLICATE' | 'KEY_BLOCK_CHARACTER'
>;

const ID = /^[0-9A-Za-z]{2}$/;
const PRINTABLE = /^[\x20-\x7e]*$/;
const HEX_LENGTH = /^[0-9A-F]+$/;
const SHORT_HEADER = 4;
const EXTENDED_DIGITS = 4;
const EXTENDED_HEADER = 6 + EXTENDED_DIGITS;

/** Optional blocks that one header may count: two decimal digits. */
export const MAX_OPTIONAL_BLOCKS = 99;

/** One optional block read at an offset, and where the next one starts. */
interface ReadBlock {
  readonly block: OptionalBlock;
  readonly next: number;
}

/**
 * Length of an optional block and of its own header. Short form: two hexadecimal digits. Extended form: `00`, the
 * number of digits of the length (two digits, always `04`), then the length (X9.143:2021 6.2 table 1).
 */
function readLength(text: string, at: number): { total: number; header: number } | undefined {
  const short = text.slice(at + 2, at + 4);
  if (short.length !== 2 || !HEX_LENGTH.test(short)) return undefined;
  if (short !== '00') return { total: Number.parseInt(short, 16), header: SHORT_HEADER };
  if (text.slice(at + 4, at + 6) !== '04') return undefined;
  const extended = text.slice(at + 6, at + EXTENDED_HEADER);
  if (extended.length !== EXTENDED_DIGITS || !HEX_LENGTH.test(extended)) return undefined;
  return { total: Number.parseInt(extended, 16), header: EXTENDED_HEADER };
}

function readBlock(text: string, at: number): PaymentResult<ReadBlock, OptionalBlockReason> {
  const id = text.slice(at, at + 2);
  if (!ID.test(id)) return refuse('OPTIONAL_BLOCK_ID');
  const length = readLength(text, at);
  if (length === undefined || length.total < length.header || at + length.total > text.length)
    return refuse('OPTIONAL_BLOCK_LENGTH', id);
  const content = text.slice(at + length.header, at + length.total);
  if (!PRINTABLE.test(content)) return refuse('KEY_BLOCK_CHARACTER', id);
  return ok({ block: { id, content }, next: at + length.total });
}

/** Optional blocks read from a header, and the offset behind the last of them. */
export interface OptionalBlocks {
  readonly blocks: readonly OptionalBlock[];
  readonly end: number;
}

/**
 * Reads `count` optional blocks from `at`. Refuses with OPTIONAL_BLOCK_ID, OPTIONAL_BLOCK_LENGTH, KEY_BLOCK_CHARACTER,
 * or OPTIONAL_BLOCK_DUPLICATE: of two blocks with one ID, different readers would believe different ones.
 */
export function readOptionalBlocks(
  text: string,
  at: number,
  count: number,
): PaymentResult<OptionalBlocks, OptionalBlockReason> {
  const blocks: OptionalBlock[] = [];
  const seen = new Set<string>();
  let end = at;
  for (let index = 0; index < count; index++) {
    const read = readBlock(text, end);
    if (!read.ok) return read;
    if (seen.has(read.value.block.id)) return refuse('OPTIONAL_BLOCK_DUPLICATE', read.value.block.id);
    seen.add(read.value.block.id);
    blocks.push(read.value.block);
    end = read.value.next;
  }
  return ok({ blocks, end });
}

/** Writes an optional block, in the extended form only where the short one does not reach. */
export function formatOptionalBlock(block: OptionalBlock): string {
  const short = SHORT_HEADER + block.content.length;
  if (short <= 0xff) return `${block.id}${short.toString(16).toUpperCase().padStart(2, '0')}${block.content}`;
  const extended = EXTENDED_HEADER + block.content.length;
  return `${block.id}0004${extended.toString(16).toUpperCase().padStart(EXTENDED_DIGITS, '0')}${block.content}`;
}
