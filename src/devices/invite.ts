import { canonicalBytes } from '../encoding/canonical.ts';
import { sha256 } from '../encoding/digest.ts';
import { type Clock, secondsAfter } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { Invite } from './invite-state.ts';
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

/** What an administrator asks for. */
export interface InviteRequest {
  readonly acquirer: string;
  readonly merchant: string;
  /** 0: as long as policy allows. */
  readonly validForSeconds: number;
  /** The device that the invited phone replaces; null for none. */
  readonly replaces: string | null;
  readonly by: string;
}

/**
 * Creates a single-use invite for one merchant of one acquirer; only the code's hash is stored. Refuses with
 * INVITE_LIMIT_REACHED, and for a device that cannot be replaced with NOT_FOUND or DEVICE_REVOKED.
 */
export async function createInvite(
  request: InviteRequest,
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
    replaces: request.replaces,
    createdBy: request.by,
    createdAt: now,
    expiresAt: secondsAfter(now, seconds),
  };
  switch (await ports.invites.addInvite(invite, policy.openInvitesPerMerchant)) {
    case 'added':
      return ok({ id: invite.id, code, expiresAt: invite.expiresAt });
    case 'limit-reached':
      return refuse('INVITE_LIMIT_REACHED');
    case 'no-such-device':
      return refuse('NOT_FOUND', 'replaces_device_id: no device of this acquirer and merchant');
    case 'device-revoked':
      return refuse('DEVICE_REVOKED', 'replaces_device_id: revoked already; an ordinary invite will do');
  }
}

/** Withdraws an invite; withdrawing it again changes nothing. Refuses with NOT_FOUND, or INVITE_USED. */
export async function withdrawInvite(
  id: string,
  by: string,
  { invites, clock }: { readonly invites: InviteStore; readonly clock: Clock },
): Promise<Result<Invite>> {
  const invite = await invites.withdraw(id, by, clock.now());
  if (invite === null) return refuse('NOT_FOUND', 'invite');
  return invite.state === 'used' ? refuse('INVITE_USED') : ok(invite);
}
