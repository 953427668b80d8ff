import { equalBytes } from '../encoding/digest.ts';
import type { Directive } from './directive.ts';

/** How far the live keys of a phone are used up, and where they come from. */
export interface KeyWear {
  readonly activatedAt: Date;
  readonly expiresAt: Date;
  readonly transactions: number;
  /** 8 bytes each: BDK id (4) || derivation id (4). */
  readonly pinInitialKeyId: Uint8Array;
  readonly accountDataInitialKeyId: Uint8Array;
}

/** What keys are measured by. */
export interface WearLimits {
  readonly maximumTransactions: number;
  /** Part of life or transactions after which new keys are asked for. */
  readonly rotateKeysAtFraction: number;
  /** Base derivation keys that new initial keys come from, 4 bytes each. */
  readonly bdkIds: { readonly pin: Uint8Array; readonly accountData: Uint8Array };
}

const cameFrom = (initialKeyId: Uint8Array, bdkId: Uint8Array): boolean =>
  equalBytes(initialKeyId.subarray(0, 4), bdkId);

/**
 * The advice to rotate keys: they come from a base derivation key that is no longer in use, or are used up soon. Null
 * where they are good for a while. `at` is when they expire.
 */
export function keyDirective(wear: KeyWear, limits: WearLimits, now: Date): Directive | null {
  const { activatedAt, expiresAt, transactions, pinInitialKeyId, accountDataInitialKeyId } = wear;
  const { maximumTransactions, rotateKeysAtFraction, bdkIds } = limits;
  const directive = (detail: string): Directive => ({ kind: 'rotate-keys', at: expiresAt, detail });
  if (!cameFrom(pinInitialKeyId, bdkIds.pin) || !cameFrom(accountDataInitialKeyId, bdkIds.accountData)) {
    return directive('base derivation key');
  }
  const life = expiresAt.getTime() - activatedAt.getTime();
  if (now.getTime() - activatedAt.getTime() >= life * rotateKeysAtFraction) return directive('age');
  return transactions >= maximumTransactions * rotateKeysAtFraction ? directive('transactions') : null;
}
