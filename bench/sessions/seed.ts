import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { systemRandom } from '../../src/app/system.ts';
import { p256Thumbprint } from '../../src/encoding/p256.ts';
import { type DatabaseAddress, SqlPool } from '../../src/store/sql/engine/pool.ts';
import type { DeviceTokenClaims } from '../../src/tokens/claims.ts';
import { VaultClient } from '../../src/vault/client.ts';
import type { PhoneRecord } from './session-phone.ts';

const CHUNK = 1000;
const CALL_WITHIN = 20_000;
const STATEMENT_MILLISECONDS = 60_000;
const TOKEN_SECONDS = 3600;
/** Derivation ids of seeded phones begin here, far from those that the service leases. */
const FIRST_DERIVATION_ID = 0x4000_0000;

/** A phone that was enrolled in earnest; the others are like it. */
export interface Template {
  readonly deviceId: string;
  readonly token: string;
}

/** Where initial keys come from, 4 bytes each. */
interface BdkIds {
  readonly pin: Buffer;
  readonly accountData: Buffer;
}

/** What phones are seeded through: the service's own database and vault. */
export interface SeedPlaces {
  readonly database: DatabaseAddress;
  readonly vaultSocket: string;
}

interface NewPhone {
  readonly deviceId: string;
  readonly thumbprint: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly privateKey: string;
  readonly pinInitialKeyId: Buffer;
  readonly accountDataInitialKeyId: Buffer;
}

const DEVICES = `INSERT INTO device
       (id, acquirer, merchant, status, device_key, session_thumbprint, attested, enrolled_at, attested_at, continuity)
  SELECT p.id, d.acquirer, d.merchant, d.status, d.device_key, p.thumbprint, d.attested, d.enrolled_at, d.attested_at, d.continuity
    FROM device d, unnest($2::UUID[], $3::TEXT[]) AS p(id, thumbprint) WHERE d.id = $1`;

const SESSIONS = `INSERT INTO attested_session
       (thumbprint, device_id, public_key, status, pin_forbidden, facts, trust_vector, created_at, appraisal_id)
  SELECT p.thumbprint, p.id, decode(p.public_key, 'hex'), s.status, s.pin_forbidden, s.facts, s.trust_vector, s.created_at, s.appraisal_id
    FROM device d JOIN attested_session s ON s.thumbprint = d.session_thumbprint,
         unnest($2::UUID[], $3::TEXT[], $4::TEXT[]) AS p(id, thumbprint, public_key) WHERE d.id = $1`;

const SIGHTINGS = `INSERT INTO attestation_sighting (key_id, device_id, provisioning, model, first_seen, last_seen)
  SELECT a.key_id, p.id, a.provisioning, a.model, a.first_seen, a.last_seen
    FROM attestation_sighting a, unnest($2::UUID[]) AS p(id) WHERE a.device_id = $1`;

const KEY_SETS = `INSERT INTO key_set
       (id, device_id, status, pin_initial_key_id, account_data_initial_key_id, pin_counter, account_data_counter,
        offered_at, activated_at, expires_at)
  SELECT gen_random_uuid(), p.id, k.status, decode(p.pin, 'hex'), decode(p.account_data, 'hex'), k.pin_counter,
         k.account_data_counter, k.offered_at, k.activated_at, k.expires_at
    FROM key_set k, unnest($2::UUID[], $3::TEXT[], $4::TEXT[]) AS p(id, pin, account_data)
   WHERE k.device_id = $1 AND k.status = 'active'`;

const BDK_IDS = `SELECT substring(pin_initial_key_id FROM 1 FOR 4) AS pin,
                        substring(account_data_initial_key_id FROM 1 FOR 4) AS account_data
                   FROM key_set WHERE device_id = $1 AND status = 'active'`;

async function bdkIdsOf(sql: SqlPool, { deviceId }: Template): Promise<BdkIds> {
  const { rows } = await sql.query<{ pin: Buffer; account_data: Buffer }>(BDK_IDS, [deviceId]);
  const [row] = rows;
  if (row === undefined) throw new Error('the template has no keys');
  return { pin: row.pin, accountData: row.account_data };
}

function initialKeyId(bdkId: Buffer, n: number): Buffer {
  const id = Buffer.alloc(8);
  bdkId.copy(id);
  id.writeUInt32BE(FIRST_DERIVATION_ID + n, 4);
  return id;
}

function makePhone({ pin, accountData }: BdkIds, n: number): NewPhone {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return {
    deviceId: randomUUID(),
    thumbprint: p256Thumbprint(spki) ?? '',
    publicKey: spki,
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    pinInitialKeyId: initialKeyId(pin, n),
    accountDataInitialKeyId: initialKeyId(accountData, n),
  };
}

async function insert(sql: SqlPool, { deviceId }: Template, phones: readonly NewPhone[]): Promise<void> {
  const hex = (bytes: Buffer): string => bytes.toString('hex');
  const ids = phones.map((phone) => phone.deviceId);
  const thumbprints = phones.map(({ thumbprint }) => thumbprint);
  const pin = phones.map(({ pinInitialKeyId }) => hex(pinInitialKeyId));
  const accountData = phones.map(({ accountDataInitialKeyId }) => hex(accountDataInitialKeyId));
  await sql.query(DEVICES, [deviceId, ids, thumbprints]);
  await sql.query(SESSIONS, [deviceId, ids, thumbprints, phones.map(({ publicKey }) => hex(publicKey))]);
  await sql.query(SIGHTINGS, [deviceId, ids]);
  await sql.query(KEY_SETS, [deviceId, ids, pin, accountData]);
}

function claimsOf(token: string): DeviceTokenClaims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as DeviceTokenClaims;
}

async function signToken(vault: VaultClient, claims: DeviceTokenClaims, phone: NewPhone): Promise<string> {
  const iat = Math.floor(Date.now() / 1000);
  const own = { sub: phone.deviceId, cnf: { jkt: phone.thumbprint }, jti: randomUUID(), iat, exp: iat + TOKEN_SECONDS };
  const token = await vault.signDeviceToken({ ...claims, ...own });
  if (!token.ok) throw new Error(`no token: ${token.reason}`);
  return token.value;
}

/**
 * Adds phones to the service's own database, each with a session key, keys and a sighting like those of the template, and
 * has the service's vault sign their tokens. They have attested nothing: the service cannot tell.
 */
export async function seedPhones(
  places: SeedPlaces,
  template: Template,
  count: number,
): Promise<readonly PhoneRecord[]> {
  const sql = new SqlPool({
    address: places.database,
    applicationName: 'tapgate-bench',
    maximumConnections: 1,
    statementMilliseconds: STATEMENT_MILLISECONDS,
  });
  const vault = new VaultClient({ socket: places.vaultSocket, random: systemRandom, callMilliseconds: CALL_WITHIN });
  const claims = claimsOf(template.token);
  const records: PhoneRecord[] = [];
  try {
    const bdkIds = await bdkIdsOf(sql, template);
    for (let first = 0; first < count; first += CHUNK) {
      const length = Math.min(CHUNK, count - first);
      const phones = Array.from({ length }, (_, index) => makePhone(bdkIds, first + index));
      await insert(sql, template, phones);
      const tokens = await Promise.all(phones.map((phone) => signToken(vault, claims, phone)));
      for (const [index, { privateKey, pinInitialKeyId, accountDataInitialKeyId }] of phones.entries()) {
        records.push({
          token: tokens[index]!,
          privateKey,
          merchant: claims.merchant,
          pinInitialKeyId: pinInitialKeyId.toString('base64'),
          accountDataInitialKeyId: accountDataInitialKeyId.toString('base64'),
        });
      }
    }
    await sql.query('ANALYZE');
  } finally {
    vault.close();
    await sql.close();
  }
  return records;
}
