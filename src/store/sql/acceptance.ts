import { type Acceptance, type JudgePhone, refuses } from '../../devices/acceptance.ts';
import { type Baseline, baselineOf, raised } from '../../devices/continuity.ts';
import type { AttestedState } from '../../devices/device.ts';
import type { NewDevice, NewSession } from '../../devices/store.ts';
import { encodeChain } from '../../devices/stored-chain.ts';
import { firstIssueAfter } from '../../tokens/revocation.ts';
import { attestedToJson, baselineFromJson, factsToJson, platformFromJson } from './attested.ts';
import { notBefore } from './device-standing.ts';
import { prepared, type SqlSession } from './engine/statement.ts';
import { isReplaced, revokeReplaced } from './replacement.ts';
import { keysSeen, noteSightings } from './sightings.ts';

const OPEN_INVITE = prepared(
  'lock-open-invite',
  `SELECT acquirer, merchant, replaces_device_id, created_by FROM invite
    WHERE id = $1 AND state = 'open' AND expires_at > $2 FOR UPDATE`,
);

const COUNT_DEVICES = prepared(
  'count-devices-of-merchant',
  `SELECT count(*) AS devices FROM device
    WHERE acquirer = $1 AND merchant = $2 AND status <> 'revoked' AND ($3::uuid IS NULL OR id <> $3)`,
);

const INSERT_DEVICE = prepared(
  'insert-device',
  `WITH used AS (UPDATE invite SET state = 'used', device_id = $2 WHERE id = $1 RETURNING acquirer, merchant)
   INSERT INTO device (id, acquirer, merchant, status, device_key, session_thumbprint, attested, continuity,
                       enrolled_at, attested_at)
   SELECT $2, acquirer, merchant, 'active', $3, $4, $5::jsonb, $6::jsonb, $7, $7 FROM used`,
);

const LOCK_DEVICE = prepared(
  'lock-active-device',
  `SELECT continuity, session_thumbprint, tokens_void_until, GREATEST(attested_at, resumed_at) AS last_token_at
     FROM device WHERE id = $1 AND status = 'active' FOR UPDATE`,
);

const SESSION_FACTS = prepared('session-facts', 'SELECT facts FROM attested_session WHERE thumbprint = $1');

const RENEW_DEVICE = prepared(
  'renew-device',
  `UPDATE device SET session_thumbprint = $2, attested = $3::jsonb, continuity = $4::jsonb, attested_at = $5
    WHERE id = $1`,
);

const INSERT_ATTESTED = prepared(
  'insert-attested',
  `WITH opened AS (
     INSERT INTO attested_session (thumbprint, device_id, public_key, status, pin_forbidden, facts, trust_vector,
                                   created_at, appraisal_id)
     VALUES ($1, $2, $3, 'active', $4, $5::jsonb, $6::jsonb, $7, $8)),
   appraised AS (
     INSERT INTO appraisal (id, device_id, appraised_at, policy_version, checks, facts)
     VALUES ($8, $2, $7, $9, $10::jsonb, $5::jsonb)
     RETURNING id)
   INSERT INTO evidence (appraisal_id, session_chain, device_chain) SELECT id, $11, $12 FROM appraised`,
);

interface InviteRow {
  readonly acquirer: string;
  readonly merchant: string;
  readonly replaces_device_id: string | null;
  readonly created_by: string;
}

interface LockedDevice {
  readonly continuity: unknown;
  readonly session_thumbprint: string;
  readonly tokens_void_until: Date | null;
  readonly last_token_at: Date;
}

type Accepted = Extract<Acceptance, { outcome: 'accepted' }>;

/** The session with its appraisal and evidence, and the sightings of its attestation keys. */
async function insertSession(
  sql: SqlSession,
  deviceId: string,
  session: NewSession,
  checks: Accepted['checks'],
): Promise<void> {
  const { thumbprint, publicKey, pinForbidden, trustVector, appraisal, evidence, sightings } = session;
  const { id, appraisedAt, policyVersion } = appraisal;
  const { sessionChain, deviceChain } = evidence;
  await sql.query(INSERT_ATTESTED, [
    thumbprint,
    deviceId,
    publicKey,
    pinForbidden,
    factsToJson(appraisal.facts),
    JSON.stringify(trustVector),
    appraisedAt,
    id,
    policyVersion,
    JSON.stringify([...appraisal.checks, ...checks]),
    encodeChain(sessionChain),
    deviceChain.length === 0 ? null : encodeChain(deviceChain),
  ]);
  await noteSightings(sql, deviceId, sightings, appraisedAt);
}

/** Enrols a device within a transaction; see `DeviceStore.enrol`. Everything is read and judged before it is changed. */
export async function enrolDevice(
  sql: SqlSession,
  inviteId: string,
  device: NewDevice,
  session: NewSession,
  judge: JudgePhone,
): Promise<Acceptance> {
  const { appraisedAt: at, facts } = session.appraisal;
  const [invite] = (await sql.query<InviteRow>(OPEN_INVITE, [inviteId, at])).rows;
  if (invite === undefined) return { outcome: 'closed' };
  const { acquirer, merchant, replaces_device_id: replaces } = invite;
  if (replaces !== null && (await isReplaced(sql, replaces))) return { outcome: 'closed' };
  const keys = await keysSeen(sql, session.sightings, { deviceId: device.id, replaces });
  const counted = await sql.query<{ devices: bigint }>(COUNT_DEVICES, [acquirer, merchant, replaces]);
  const checks = judge({ before: null, keys, merchantDevices: Number(counted.rows[0]?.devices ?? 0n) });
  if (refuses(checks)) return { outcome: 'refused', checks };
  const { id, deviceKey, attested } = device;
  const states = [attestedToJson(attested), JSON.stringify(baselineOf(facts))];
  await sql.query(INSERT_DEVICE, [inviteId, id, deviceKey, session.thumbprint, ...states, at]);
  await insertSession(sql, id, session, checks);
  const replacement = { by: id, invitedBy: invite.created_by, at };
  const replaced = replaces !== null && (await revokeReplaced(sql, { deviceId: replaces, ...replacement }));
  return { outcome: 'accepted', checks, replaced: replaced ? replaces : null, issuedAt: at };
}

/** Renews a device's session within a transaction; see `DeviceStore.renew`. */
export async function renewDevice(
  sql: SqlSession,
  deviceId: string,
  attested: AttestedState,
  session: NewSession,
  judge: JudgePhone,
): Promise<Acceptance> {
  const { appraisedAt, facts } = session.appraisal;
  const [device] = (await sql.query<LockedDevice>(LOCK_DEVICE, [deviceId])).rows;
  if (device === undefined) return { outcome: 'closed' };
  const before = await baselineOfDevice(sql, device);
  const keys = await keysSeen(sql, session.sightings, { deviceId, replaces: null });
  const checks = judge({ before, keys, merchantDevices: null });
  if (refuses(checks)) return { outcome: 'refused', checks };
  const states = [attestedToJson(attested), JSON.stringify(raised(before, facts))];
  const issuedAt = issueOf(appraisedAt, device);
  await sql.query(RENEW_DEVICE, [deviceId, session.thumbprint, ...states, issuedAt]);
  await insertSession(sql, deviceId, session, checks);
  return { outcome: 'accepted', checks, replaced: null, issuedAt };
}

/** The highest that a device attested; devices of before it was kept have their session's facts. */
async function baselineOfDevice(sql: SqlSession, device: LockedDevice): Promise<Baseline> {
  if (device.continuity !== null) return baselineFromJson(device.continuity);
  const { rows } = await sql.query<{ facts: unknown }>(SESSION_FACTS, [device.session_thumbprint]);
  return baselineOf(platformFromJson(rows[0]?.facts));
}

/** The instant of a renewed device's token: one that no revocation before it voids, and every later one does. */
function issueOf(appraisedAt: Date, { last_token_at: last, tokens_void_until: voidUntil }: LockedDevice): Date {
  const at = notBefore(appraisedAt, last);
  return voidUntil === null ? at : notBefore(at, firstIssueAfter(voidUntil));
}
