import type { Clock } from '../ports/clock.ts';
import { ok, type Refusal, type Result, refuse } from '../reasons/result.ts';
import type { RevocationReason } from '../tokens/revocation.ts';
import type { DeviceStatus } from './device.ts';

/** How a device stands. A forgotten one is revoked, and nothing that ties it to a person is kept. */
export type Standing = DeviceStatus | 'forgotten';

/** What the security team does to a device. */
export type StandingChange = 'suspend' | 'resume' | 'revoke' | 'forget';

/** Where each change leads from each standing. `stays`: done already. */
const STEPS = {
  suspend: { active: 'suspended', suspended: 'stays', revoked: 'DEVICE_REVOKED', forgotten: 'DEVICE_FORGOTTEN' },
  resume: {
    active: 'DEVICE_NOT_SUSPENDED',
    suspended: 'active',
    revoked: 'DEVICE_REVOKED',
    forgotten: 'DEVICE_FORGOTTEN',
  },
  revoke: { active: 'revoked', suspended: 'revoked', revoked: 'stays', forgotten: 'stays' },
  forget: {
    active: 'DEVICE_NOT_REVOKED',
    suspended: 'DEVICE_NOT_REVOKED',
    revoked: 'forgotten',
    forgotten: 'stays',
  },
} as const satisfies Readonly<Record<StandingChange, Readonly<Record<Standing, Standing | 'stays' | StandingRefusal>>>>;

type StandingRefusal = 'DEVICE_REVOKED' | 'DEVICE_FORGOTTEN' | 'DEVICE_NOT_SUSPENDED' | 'DEVICE_NOT_REVOKED';

const STANDINGS: readonly string[] = ['active', 'suspended', 'revoked', 'forgotten'] satisfies Standing[];

/** The standing after a change: the same one where the change was made before. Revoked is final but for forgetting. */
export function standingAfter(standing: Standing, change: StandingChange): Result<Standing, StandingRefusal> {
  const step = STEPS[change][standing];
  if (step === 'stays') return ok(standing);
  return isStanding(step) ? ok(step) : refuse(step);
}

function isStanding(text: string): text is Standing {
  return STANDINGS.includes(text);
}

/** Why the tokens of a device are void once it stands so; null where they are not, or were before. */
export function tokensVoidedBy(before: Standing, after: Standing): RevocationReason | null {
  if (before === after) return null;
  if (after === 'suspended') return 'DEVICE_SUSPENDED';
  return after === 'revoked' ? 'DEVICE_REVOKED' : null;
}

/** One change of a device's standing as the record keeps it. */
export interface RecordedChange {
  readonly from: Standing;
  readonly to: Standing;
  readonly by: string;
  /** Empty once the device is forgotten. */
  readonly cause: string;
  readonly at: Date;
}

/** What is done to a device within one transaction that holds its row. */
export interface StandingMove {
  readonly to: Standing;
  readonly by: string;
  readonly cause: string;
  readonly at: Date;
  /** Set where all its sessions end and its tokens are void from now on. */
  readonly revocation: RevocationReason | null;
}

/** Decides on a device by its standing; asked anew after a conflict. Null: nothing is to be done. */
export type DecideMove = (standing: Standing) => Result<StandingMove | null>;

/** The durable standing of devices. */
export interface StandingStore {
  /**
   * Moves a device: its row, all its session rows, the revocation that is published and the record of the change, all or
   * nothing. `forgotten` also removes what ties the device to a person. The instant of a revocation is never before the
   * device's last attestation. Null where there is no such device.
   */
  move(
    deviceId: string,
    decide: DecideMove,
  ): Promise<Refusal | { readonly ok: true; readonly changed: boolean } | null>;
  /** Every change of a device, the latest first; at most `limit`. */
  changes(deviceId: string, limit: number): Promise<readonly RecordedChange[]>;
}

/** Who changes a device's standing, and why. */
export interface StandingRequest {
  readonly deviceId: string;
  readonly change: StandingChange;
  readonly by: string;
  readonly cause: string;
}

const MAXIMUM_CAUSE = 500;

/**
 * Changes a device's standing; in force when it resolves. `changed` is false where it stood so before.
 *
 * Refusals: MALFORMED_MESSAGE for a cause that is too long, NOT_FOUND, and those of `standingAfter`.
 */
export async function changeStanding(
  { deviceId, change, by, cause }: StandingRequest,
  { standings, clock }: { readonly standings: StandingStore; readonly clock: Clock },
): Promise<Result<{ readonly changed: boolean }>> {
  if (cause.length > MAXIMUM_CAUSE) return refuse('MALFORMED_MESSAGE', `cause: over ${MAXIMUM_CAUSE} characters`);
  // PostgreSQL keeps no NUL in text.
  if (cause.includes('\0') || !cause.isWellFormed()) return refuse('MALFORMED_MESSAGE', 'cause: no text');
  const moved = await standings.move(deviceId, (standing) => {
    const after = standingAfter(standing, change);
    if (!after.ok) return after;
    if (after.value === standing) return ok(null);
    // The clock is read while the row is held: no token that is issued before this commits may bear a later instant.
    const revocation = tokensVoidedBy(standing, after.value);
    return ok({ to: after.value, by, cause, at: clock.now(), revocation });
  });
  if (moved === null) return refuse('NOT_FOUND', 'device');
  return moved.ok ? ok({ changed: moved.changed }) : moved;
}
