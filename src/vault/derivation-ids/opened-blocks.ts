/** Derivation ids of one block: as many as the service leases at a time. */
export const BLOCK_IDS = 64;

/**
 * So many blocks, counted down from the highest, are told apart. Leases rise and are used at once: a block further below
 * belongs to a lease whose replica is gone, and is closed.
 */
export const WINDOW_BLOCKS = 1024;

const HIGHEST_BLOCK = 2 ** 32 / BLOCK_IDS - 1;
const WINDOW_MASK = (1n << BigInt(WINDOW_BLOCKS)) - 1n;

/**
 * Which blocks of a base derivation key's 2^32 derivation ids were ever opened: the highest one and a window below it, as
 * the anti-replay window of RFC 4303 3.4.3. Bit n of the window is the block n below the highest.
 */
export interface OpenedBlocks {
  readonly highest: number;
  readonly window: bigint;
}

/** The block that a derivation id is in. */
export function blockOf(derivationId: number): number {
  return Math.floor(derivationId / BLOCK_IDS);
}

/** True where these can have come about: a highest block in range, opened itself, and no more bits than the window. */
export function isWellFormed({ highest, window }: OpenedBlocks): boolean {
  return highest >= 0 && highest <= HIGHEST_BLOCK && (window & 1n) === 1n && window <= WINDOW_MASK;
}

/** True where the block was opened, or is below the window. */
export function isClosed(opened: OpenedBlocks | undefined, block: number): boolean {
  if (opened === undefined || block > opened.highest) return false;
  const below = opened.highest - block;
  return below >= WINDOW_BLOCKS || ((opened.window >> BigInt(below)) & 1n) === 1n;
}

/** The record with one more block opened. */
export function withOpened(opened: OpenedBlocks | undefined, block: number): OpenedBlocks {
  return union(opened, { highest: block, window: 1n });
}

/** What either record has opened. */
export function union(a: OpenedBlocks | undefined, b: OpenedBlocks): OpenedBlocks {
  if (a === undefined) return b;
  const [upper, lower] = a.highest >= b.highest ? [a, b] : [b, a];
  const below = upper.highest - lower.highest;
  const shifted = below >= WINDOW_BLOCKS ? 0n : (lower.window << BigInt(below)) & WINDOW_MASK;
  return { highest: upper.highest, window: upper.window | shifted };
}
