import { canonicalBytes } from '../encoding/canonical.ts';
import { sha256 } from '../encoding/digest.ts';
import { type Clock, secondsAfter } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { DevicePolicy } from './policy.ts';
import type { InviteStore } from './store.ts';

/** Crockford's alphabet: no letter that reads as another or as a digit. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const CODE_SYMBOLS = 24;

/** Names of acquirers and merchants: what may stand in certificates, logs and SQL alike. */
export const PARTY_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** SHA-256 of an invite code, upper case, without separators. Codes carry 120 random bits, so a bare hash is enough. */
export function inviteCodeHash(code: string): Buffer {
  return sha256(canonicalBytes('tapgate/v1/invite', code.toUpperCase().replaceAll('-', '')));
}

/** A new invite as the administrator sees it, once. */
export interface CreatedInvite {
  readonly id: string;
  readonly code: string;
  readonly expiresAt: Date;
}

function newCode(random: Random): string {
  const symbols = [...random.bytes(CODE_SYMBOLS)].map((byte) => ALPHABET[byte & 31]).join('');
  return symbols.replaceAll(/(.{6})(?=.)/g, '$1-');
}

/**
 * Creates a single-use invite for one merchant of one acquirer; only the code's hash is stored.
 * `validForSeconds` 0 means as long as policy allows.
 */
export async function createInvite(
  request: {
    readonly acquirer: string;
    readonly merchant: string;
    readonly validForSeconds: number;
    readonly by: string;
  },
  ports: { readonly invites: InviteStore; readonly clock: Clock; readonly random: Random },
  policy: DevicePolicy,
): Promise<Result<CreatedInvite>> {
  if (!PARTY_NAME.test(request.acquirer)) return refuse('MALFORMED_MESSAGE', 'acquirer');
  if (!PARTY_NAME.test(request.merchant)) return refuse('MALFORMED_MESSAGE', 'merchant');
  const seconds = request.validForSeconds === 0 ? policy.inviteSeconds : request.validForSeconds;
  if (seconds > policy.inviteSeconds)
    return refuse('MALFORMED_MESSAGE', 'valid_for_seconds is over the limit of policy');
  const now = ports.clock.now();
  const code = newCode(ports.random);
  const invite = {
    id: randomUuid(ports.random),
    codeHash: inviteCodeHash(code),
    acquirer: request.acquirer,
    merchant: request.merchant,
    createdBy: request.by,
    createdAt: now,
    expiresAt: secondsAfter(now, seconds),
  };
  await ports.invites.addInvite(invite);
  return ok({ id: invite.id, code, expiresAt: invite.expiresAt });
}
