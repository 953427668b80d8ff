import { expect } from '@jest/globals';
import type { DeviceStatus } from '../../../src/devices/device.ts';
import type { GivenToken, ModelDevice, ModelInvite, ModelPhone } from './model.ts';
import type { LifeSetting } from './setting.ts';

/** Everything that the model knows. */
export interface Known {
  readonly phones: ModelPhone[];
  readonly devices: Map<string, ModelDevice>;
  readonly invites: Map<string, ModelInvite>;
}

interface DeviceRow {
  readonly id: string;
  readonly status: DeviceStatus;
  readonly device_key: Buffer;
  readonly live_sessions: bigint;
}

interface InviteRow {
  readonly id: string;
  readonly device_id: string | null;
}

const DEVICES = `SELECT d.id, d.status, d.device_key,
    (SELECT COUNT(*) FROM attested_session s WHERE s.device_id = d.id AND s.status = 'active') AS live_sessions
  FROM device d`;

const SEEN_WITHIN = 10_000;
const AGAIN_AFTER = 5;

/** Voids every token that a device was given until now. */
export function voidTokens(device: ModelDevice): void {
  for (const given of device.tokens) given.isVoid = true;
}

/**
 * Takes in what became of exchanges whose end the phone never heard, and checks what SQL holds: an invite enrols one
 * device, once and for ever; one live device a pinned key; each device stands as the model says; no live session of a
 * device that is not active.
 */
export async function observe(setting: LifeSetting, known: Known): Promise<void> {
  for (const which of [0, 1] as const) await setting.replica(which).quiet();
  const invites = (await setting.pool.query<InviteRow>('SELECT id, device_id FROM invite', [])).rows;
  const rows = (await setting.pool.query<DeviceRow>(DEVICES, [])).rows;
  const enrolledBy = new Map<string, string>();
  for (const { id, device_id: deviceId } of invites) {
    const invite = known.invites.get(id);
    if (invite === undefined) throw new Error(`nobody created invite ${id}`);
    if (deviceId === null) {
      expect(invite.deviceId).toBeNull();
      continue;
    }
    expect([invite.withdrawn, invite.deviceId ?? deviceId]).toEqual([false, deviceId]);
    expect([deviceId, enrolledBy.get(deviceId)]).toEqual([deviceId, undefined]);
    enrolledBy.set(deviceId, id);
    if (invite.deviceId === null && invite.replaces !== null) {
      invite.replaces.status = 'revoked';
      voidTokens(invite.replaces);
    }
    invite.deviceId = deviceId;
  }
  const live = new Set<string>();
  for (const row of rows) {
    expect(enrolledBy.has(row.id)).toBe(true);
    const key = row.device_key.toString('hex');
    const device = known.devices.get(row.id) ?? adopt(known, row.id, key);
    expect([row.id, row.status]).toEqual([row.id, device.status]);
    if (row.status === 'revoked') continue;
    expect([key, live.has(key)]).toEqual([key, false]);
    live.add(key);
    if (row.status === 'suspended') expect([row.id, row.live_sessions]).toEqual([row.id, 0n]);
  }
  for (const { id } of rows.filter(({ status }) => status === 'revoked')) {
    expect([id, rows.find((row) => row.id === id)?.live_sessions]).toEqual([id, 0n]);
  }
}

function adopt(known: Known, id: string, key: string): ModelDevice {
  const owner = known.phones.find((phone) => phone.keys.has(key));
  if (owner === undefined) throw new Error(`device ${id} has a key that no phone made`);
  const device: ModelDevice = { id, owner, key, status: 'active', tokens: [] };
  known.devices.set(id, device);
  return device;
}

/**
 * What processing makes of every token: a void one is refused by the time at which the verifier's knowledge is too old,
 * and as soon as it has heard; one that is not void is taken.
 */
export async function checkTokens(setting: LifeSetting, known: Known): Promise<void> {
  for (const device of known.devices.values()) {
    for (const given of device.tokens) await checkToken(setting, device, given);
  }
}

async function checkToken(setting: LifeSetting, device: ModelDevice, { token, isVoid }: GivenToken): Promise<void> {
  const { verifier, clock } = setting;
  if (isVoid) {
    const foreseen = await setting.whenStale(() => verifier.verify(token));
    expect([device.id, 'a void token when stale', foreseen.ok]).toEqual([device.id, 'a void token when stale', false]);
  }
  const expected = isVoid ? 'TOKEN_REVOKED' : 'taken';
  const since = performance.now();
  for (;;) {
    const verified = await verifier.verify(token);
    const word = verified.ok ? 'taken' : verified.reason;
    if (word === expected || (!verified.ok && verified.detail === 'expired')) return;
    // Two revocations within a second lead to a token of the next one.
    if (!verified.ok && verified.detail === 'issued in the future') clock.advance(1000);
    if (performance.now() - since > SEEN_WITHIN) expect([device.id, word]).toEqual([device.id, expected]);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
  }
}
