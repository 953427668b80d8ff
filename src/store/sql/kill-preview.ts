import type { KillSelector } from '../../devices/kill-switch.ts';
import type { KillPreview } from '../../devices/kill-switch-store.ts';
import type { Database } from './database.ts';
import { prepared, type SqlValue, type Statement } from './engine/statement.ts';

const BY_DAY = `CASE WHEN d.attested->>'osPatchLevel' ~ '^[0-9]{8}$'
                     THEN (d.attested->>'osPatchLevel')::INT4 ELSE d.os_patch * 100 END`;

/** The condition of each kind of selector over `device d` and its latest session `s`; as the matching in memory. */
const CONDITIONS = {
  device: 'd.id = $1',
  merchant: 'd.acquirer = $1 AND d.merchant = $2',
  acquirer: 'd.acquirer = $1',
  build: 'd.package_name = $1 AND d.app_version BETWEEN $2 AND $3',
  'signed-build': 'd.package_name = $1 AND d.app_version BETWEEN $2 AND $3 AND s.facts @> $4::jsonb',
  'attestation-key': `EXISTS (SELECT 1 FROM attestation_sighting a WHERE a.key_id = $1 AND a.device_id = d.id)`,
  'month-below': 'd.os_patch < $1',
  month: 'd.os_patch = $1',
  'day-below': `${BY_DAY} < $1`,
  day: `${BY_DAY} = $1`,
  everyone: 'TRUE',
} as const;

type Condition = keyof typeof CONDITIONS;

const HIT =
  "FROM device d JOIN attested_session s ON s.thumbprint = d.session_thumbprint WHERE d.status = 'active' AND";

const COUNTS: ReadonlyMap<string, Statement> = statements(
  'count',
  (condition) => `SELECT COALESCE(SUM(devices), 0)::INT8 AS devices, COUNT(*) AS merchants,
                         COUNT(DISTINCT acquirer) AS acquirers
     FROM (SELECT d.acquirer, d.merchant, COUNT(*) AS devices ${HIT} ${condition} GROUP BY d.acquirer, d.merchant) AS m`,
);

const SAMPLES: ReadonlyMap<string, Statement> = statements(
  'sample',
  (condition, parameters) =>
    `SELECT d.id, d.acquirer, d.merchant ${HIT} ${condition} ORDER BY d.id LIMIT $${parameters + 1}`,
);

function statements(
  purpose: string,
  text: (condition: string, parameters: number) => string,
): ReadonlyMap<string, Statement> {
  const all = Object.entries(CONDITIONS).map(([name, condition]): [string, Statement] => {
    const parameters = new Set(condition.match(/\$\d/g)).size;
    return [name, prepared(`kill-preview-${purpose}-${name}`, text(condition, parameters))];
  });
  return new Map(all);
}

function conditionOf(selector: KillSelector): readonly [Condition, ...SqlValue[]] {
  switch (selector.kind) {
    case 'device':
      return ['device', selector.deviceId];
    case 'merchant':
      return ['merchant', selector.acquirer, selector.merchant];
    case 'acquirer':
      return ['acquirer', selector.acquirer];
    case 'build': {
      const { packageName, fromVersion, toVersion, signer } = selector;
      if (signer === null) return ['build', packageName, fromVersion, toVersion];
      const facts = JSON.stringify({ applicationId: { signers: [signer] } });
      return ['signed-build', packageName, fromVersion, toVersion, facts];
    }
    case 'attestation-key':
      return ['attestation-key', Buffer.from(selector.keyId, 'hex')];
    case 'os-patch-below':
      return [isDay(selector.level) ? 'day-below' : 'month-below', selector.level];
    case 'os-patch':
      return [isDay(selector.level) ? 'day' : 'month', selector.level];
    case 'everyone':
      return ['everyone'];
  }
}

function isDay(level: number): boolean {
  return level > 999_999;
}

/** Counts the active devices that a selector hits, by their latest attestation, with a sample of them. */
export async function killPreview(database: Database, selector: KillSelector, sample: number): Promise<KillPreview> {
  const [condition, ...values] = conditionOf(selector);
  const count = COUNTS.get(condition);
  const some = SAMPLES.get(condition);
  if (count === undefined || some === undefined) throw new Error(`no statement for ${condition}`);
  const [[counted], sampled] = await Promise.all([
    database.read<{ devices: bigint; merchants: bigint; acquirers: bigint }>(count, values),
    database.read<{ id: string; acquirer: string; merchant: string }>(some, [...values, sample]),
  ]);
  return {
    devices: Number(counted?.devices ?? 0n),
    merchants: Number(counted?.merchants ?? 0n),
    acquirers: Number(counted?.acquirers ?? 0n),
    sample: sampled.map(({ id, acquirer, merchant }) => ({ deviceId: id, acquirer, merchant })),
  };
}
