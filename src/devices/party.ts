import { equalBytes, sha256 } from '../encoding/digest.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { type Device, standingRefusal } from './device.ts';
import type { Identity, PendingChallenge } from './evidence.ts';
import { inviteCodeHash } from './invite.ts';
import { standingOf } from './invite-state.ts';
import type { DeviceStore, InviteStore } from './store.ts';

type Party = PendingChallenge['party'];

interface PartyPorts {
  readonly invites: InviteStore;
  readonly devices: DeviceStore;
}

/**
 * Whom a hello names. A phone learns of a code that is not open only that it is INVITE_INVALID; the detail, for the
 * operator's log, says why.
 */
export async function partyOf(identity: Identity, now: Date, ports: PartyPorts): Promise<Result<Party>> {
  if (identity.kind === 'device') return enrolledParty(await ports.devices.device(identity.deviceId));
  const invite = await ports.invites.inviteOfCode(inviteCodeHash(identity.code));
  if (invite === null) return refuse('INVITE_INVALID', 'unknown');
  const standing = standingOf(invite, now);
  if (standing === 'open') {
    return ok({ kind: 'invite', inviteId: invite.id, acquirer: invite.acquirer, merchant: invite.merchant });
  }
  const enrolled = standing === 'used' ? await enrolledUnseen(invite.deviceId, identity.deviceKeyHash, ports) : null;
  return enrolled ?? refuse('INVITE_INVALID', `${standing}: invite ${invite.id}`);
}

function enrolledParty(device: Device | null): Result<Party> {
  if (device === null) return refuse('DEVICE_UNKNOWN');
  const standing = standingRefusal(device.status);
  if (standing !== null) return refuse(standing);
  const { id: deviceId, deviceKey, acquirer, merchant } = device;
  return ok({ kind: 'device', deviceId, deviceKey, acquirer, merchant });
}

/** A phone whose enrolment was cut off after it was committed finds its device again by the key that it pinned. */
async function enrolledUnseen(
  deviceId: string | null,
  deviceKeyHash: Uint8Array,
  { devices }: PartyPorts,
): Promise<Result<Party> | null> {
  const device = deviceId === null || deviceKeyHash.length !== 32 ? null : await devices.device(deviceId);
  if (device === null || !equalBytes(sha256(device.deviceKey), deviceKeyHash)) return null;
  return enrolledParty(device);
}
