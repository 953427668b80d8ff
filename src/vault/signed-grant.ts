import { grantHash } from '../encoding/contexts.ts';
import { CONTEXT, type SignedBytes } from '../encoding/signed.ts';
import type { SignedMessage } from '../gen/tapgate/v1/signed.ts';
import { ok, type Result } from '../reasons/result.ts';
import type { TransactionGrant } from '../sessions/transaction.ts';
import { decodeGrant } from '../wire/transaction.ts';
import type { KeyUse, VaultKeys } from './keys.ts';
import { type ServiceSignatureFault, verifyAsService } from './signing.ts';

/** A transaction grant that this vault has signed. */
export interface SignedGrant {
  readonly grant: TransactionGrant;
  readonly signed: SignedBytes;
  /**
   * `grantHash` of the grant that its card was tapped under: the grant's own, or what it names as that of the first grant
   * of its tap. Account data opens under no other. Null where it names none.
   */
  readonly tapGrantHash: Buffer | null;
}

/**
 * Reads a transaction grant that this vault has signed with a key that is good for this use, its signature first.
 */
export function readSignedGrant(
  message: SignedMessage | undefined,
  keys: VaultKeys,
  field: string,
  use: KeyUse,
): Result<SignedGrant, ServiceSignatureFault> {
  const signed = verifyAsService(CONTEXT.grant, message, keys, field, use);
  if (!signed.ok) return signed;
  const grant = decodeGrant(signed.value.payload);
  if (!grant.ok) return grant;
  const { sameTap } = grant.value;
  const tapGrantHash = sameTap === null ? grantHash(signed.value.payload) : sameTap.rootHash;
  return ok({ grant: grant.value, signed: signed.value, tapGrantHash });
}
