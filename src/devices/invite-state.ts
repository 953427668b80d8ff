/** What an invite is good for now. An open one expires by the clock alone. */
export type InviteStanding = 'open' | 'used' | 'withdrawn' | 'expired';

/** A new invite as it is stored. */
export interface NewInvite {
  readonly id: string;
  readonly codeHash: Buffer;
  readonly acquirer: string;
  readonly merchant: string;
  /** The device that is revoked when this invite is used; null for none. */
  readonly replaces: string | null;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** An invite as it stands. */
export interface Invite extends Omit<NewInvite, 'codeHash'> {
  readonly state: Exclude<InviteStanding, 'expired'>;
  /** The device that was enrolled with it. */
  readonly deviceId: string | null;
  readonly withdrawnBy: string | null;
  readonly withdrawnAt: Date | null;
}

/** The standing of an invite at an instant. */
export function standingOf({ state, expiresAt }: Pick<Invite, 'state' | 'expiresAt'>, now: Date): InviteStanding {
  return state === 'open' && expiresAt <= now ? 'expired' : state;
}
