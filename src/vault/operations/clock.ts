import { LONGEST_GRANT_SECONDS } from '../../keys/rotation.ts';
import type { TransactionGrant } from '../../sessions/transaction.ts';
import type { VaultPorts } from '../ports.ts';

/** The vault's time alone. */
export type Timed = Pick<VaultPorts, 'clock'>;

/** Milliseconds by which a time that the service states may differ from the vault's. */
const CLOCKS_APART = 300_000;

const LONGEST_GRANT = LONGEST_GRANT_SECONDS * 1000;

/** True for an instant, in milliseconds since the epoch, that is now by the vault's clock, as far as two clocks agree. */
export function isNow(stated: number, { clock }: Timed): boolean {
  return Math.abs(stated - clock.now().getTime()) <= CLOCKS_APART;
}

/** True for a life that ends after it began, within the longest one that policy can state. */
export function isGrantLife({ issuedAt, expiresAt }: TransactionGrant): boolean {
  const life = expiresAt.getTime() - issuedAt.getTime();
  return life > 0 && life <= LONGEST_GRANT;
}

/**
 * The reason for which nothing new is done under a grant by the vault's clock, or null. Whatever a grant says of its end, it
 * counts for no longer than the longest life after its beginning.
 */
export function grantTimeReason(
  { issuedAt, expiresAt }: TransactionGrant,
  { clock }: Timed,
): 'VAULT_CLOCK' | 'GRANT_EXPIRED' | null {
  const now = clock.now().getTime();
  if (issuedAt.getTime() - now > CLOCKS_APART) return 'VAULT_CLOCK';
  const end = Math.min(expiresAt.getTime(), issuedAt.getTime() + LONGEST_GRANT);
  return now - end < CLOCKS_APART ? null : 'GRANT_EXPIRED';
}
