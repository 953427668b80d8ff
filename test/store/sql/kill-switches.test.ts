import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { killSubjectOf } from '../../../src/devices/kill-subject.ts';
import { isHit, type KillSelector } from '../../../src/devices/kill-switch.ts';
import { KillRecordLost, type NewKill } from '../../../src/devices/kill-switch-store.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { START } from '../../support/clock.ts';
import { addGrant, decisionOf, enrolPhone, openInvite, sessionOf, uniqueId } from '../../support/enrolled.ts';
import { ATTESTED, NOTHING_AGAINST, newSession, PLATFORM } from '../../support/facts.ts';
import { signingKey } from '../../support/signing-key.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';

type SqlStores = ReturnType<typeof sqlStores>;

const SIGNER = 'ab'.repeat(32);
const KEY = 'dd'.repeat(32);

const killOf = (selector: KillSelector, over: Partial<NewKill> = {}): NewKill => ({
  id: uniqueId(),
  scope: 'everything',
  selector,
  cause: 'a test',
  by: 'ann',
  ...over,
});

const FOR_NOBODY: KillSelector = { kind: 'acquirer', acquirer: 'nobody' };

onEachDatabase('kill switches', (openDatabase) => {
  let database: TestDatabase;
  let pool: SqlPool;
  let stores: SqlStores;

  beforeAll(async () => {
    database = await openDatabase();
    pool = new SqlPool({ address: database.address, applicationName: 'kill switches' });
    stores = sqlStores(pool, pino({ level: 'silent' }));
  }, 60_000);

  afterAll(async () => {
    await pool.close();
    await database.dispose();
  });

  beforeEach(async () => {
    await pool.query('DELETE FROM kill_switch_replica');
    await pool.query('UPDATE kill_switch SET lifted_at = now() WHERE lifted_at IS NULL');
  });

  describe('a record whose latest generation was tampered with', () => {
    const readings: (() => Promise<unknown>)[] = [
      () => stores.killReplicas.generation(),
      () => stores.killReplicas.renew({ id: uniqueId(), name: 'r' }, 0n, 5_000),
      () => stores.killReplicas.standing(),
    ];
    let kept = 0n;
    beforeEach(async () => {
      ({ generation: kept } = await stores.killSwitches.set(killOf(FOR_NOBODY)));
    });
    afterEach(async () => {
      await pool.query('DELETE FROM kill_switch_head');
      await pool.query('INSERT INTO kill_switch_head (singleton, generation) VALUES (TRUE, $1)', [kept]);
    });

    test.each([
      ['was taken away', 'DELETE FROM kill_switch_head'],
      ['was set back', 'UPDATE kill_switch_head SET generation = generation - 1'],
    ])('is lost where it %s', async (_what, statement) => {
      await pool.query(statement);
      for (const reading of readings) await expect(reading()).rejects.toThrow(KillRecordLost);
    });

    test('keeps no decision, not one that has asked no generation either', async () => {
      await pool.query('DELETE FROM kill_switch_head');
      for (const killGeneration of [0n, kept]) {
        const decision = { ...decisionOf(await addGrant(stores, await enrolPhone(stores))), killGeneration };
        expect(await stores.decisions.commit(decision)).toBe(false);
      }
    });

    test('is seeded: a generation is there before the first switch', async () => {
      await pool.query('DELETE FROM kill_switch_reach');
      await pool.query('DELETE FROM kill_switch');
      await pool.query('UPDATE kill_switch_head SET generation = 1');
      expect(await stores.killReplicas.standing()).toEqual({ generation: 1n, switches: [] });
      kept = 1n;
    });
  });

  describe('the record', () => {
    test('counts generations up with each switch that is set or lifted', async () => {
      const { killSwitches, killReplicas } = stores;
      const before = await killReplicas.generation();
      const first = await killSwitches.set(killOf(FOR_NOBODY));
      expect(first.generation).toBe(before + 1n);
      const second = await killSwitches.set(killOf(FOR_NOBODY));
      expect(second.generation).toBe(before + 2n);
      await killSwitches.lift(first.id, 'bob', 'over');
      expect(await killReplicas.generation()).toBe(before + 3n);
      await killSwitches.lift(first.id, 'eve', 'again');
      expect(await killReplicas.generation()).toBe(before + 3n);
      expect(await killReplicas.standing()).toMatchObject({ generation: before + 3n, switches: [{ id: second.id }] });
    });

    test('keeps who set it and who lifted it, and lists what stands first', async () => {
      const { killSwitches } = stores;
      const lifted = await killSwitches.set(killOf(FOR_NOBODY, { cause: 'one' }));
      const standing = await killSwitches.set(killOf({ kind: 'everyone' }, { cause: 'two', scope: 'pin' }));
      expect(await killSwitches.lift(lifted.id, 'bob', 'over')).toMatchObject({
        by: 'ann',
        cause: 'one',
        lifted: { by: 'bob', cause: 'over', at: expect.any(Date) },
      });
      const [first, ...others] = await killSwitches.list(true, 500);
      expect(first).toMatchObject({ id: standing.id, scope: 'pin', selector: { kind: 'everyone' }, lifted: null });
      expect(others.map(({ id }) => id)).toContain(lifted.id);
      expect(await killSwitches.list(false, 500)).toHaveLength(1);
      expect(await killSwitches.list(true, 1)).toHaveLength(1);
    });

    test('knows none by another id', async () => {
      const { killSwitches } = stores;
      expect(await killSwitches.kill('no id')).toBeNull();
      expect(await killSwitches.lift('no id', 'bob', 'x')).toBeNull();
      expect(await killSwitches.lift(uniqueId(), 'bob', 'x')).toBeNull();
    });

    test('is set once under one id', async () => {
      const kill = killOf(FOR_NOBODY);
      await stores.killSwitches.set(kill);
      await expect(stores.killSwitches.set(kill)).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED' });
    });
  });

  describe('whether a switch is in force', () => {
    const replica = (name = 'r1') => ({ id: uniqueId(), name });

    test('it is where no replica runs', async () => {
      const { generation } = await stores.killSwitches.set(killOf(FOR_NOBODY));
      expect(await stores.killSwitches.awaited(generation)).toEqual([]);
    });

    test('it is not while a replica with a lease has not said that it enforces it', async () => {
      const { killSwitches, killReplicas } = stores;
      const own = replica();
      const before = await killReplicas.renew(own, 0n, 5000);
      await killReplicas.renew(own, before, 5000);
      const kill = await killSwitches.set(killOf(FOR_NOBODY));
      expect(await killSwitches.awaited(kill.generation)).toEqual([{ name: 'r1', live: true }]);
      expect(await killReplicas.renew(own, before, 5000)).toBe(kill.generation);
      expect(await killSwitches.awaited(kill.generation)).toEqual([{ name: 'r1', live: true }]);
      await killReplicas.renew(own, kill.generation, 5000);
      expect(await killSwitches.awaited(kill.generation)).toEqual([]);
    });

    test('it is not until the last statements of a replica that has gone silent have ended', async () => {
      const { killSwitches, killReplicas } = stores;
      await killReplicas.renew(replica('gone'), 0n, -1000);
      const kill = await killSwitches.set(killOf(FOR_NOBODY));
      expect(await killSwitches.awaited(kill.generation)).toEqual([{ name: 'gone', live: false }]);
      const later = (seconds: number) =>
        pool.query(`UPDATE kill_switch SET set_at = now() - $1 * INTERVAL '1 second' WHERE id = $2`, [
          seconds,
          kill.id,
        ]);
      await later(19);
      expect(await killSwitches.awaited(kill.generation)).toHaveLength(1);
      await later(21);
      expect(await killSwitches.awaited(kill.generation)).toEqual([]);
    });

    test('a replica that has left is waited for no more, and takes the long silent ones with it', async () => {
      const { killSwitches, killReplicas } = stores;
      const own = replica();
      await killReplicas.renew(replica('silent'), 0n, -11 * 60_000);
      await killReplicas.renew(replica('lately silent'), 0n, -9 * 60_000);
      await killReplicas.renew(own, 0n, 5000);
      const kill = await killSwitches.set(killOf(FOR_NOBODY));
      await killReplicas.leave(own.id);
      expect(await killSwitches.awaited(kill.generation)).toEqual([{ name: 'lately silent', live: false }]);
    });

    test('the first word that it is stays', async () => {
      const { killSwitches } = stores;
      const kill = await killSwitches.set(killOf(FOR_NOBODY));
      expect(kill.inForceAt).toBeNull();
      const at = await killSwitches.inForce(kill.id);
      expect(await killSwitches.inForce(kill.id)).toEqual(at);
      expect(await killSwitches.kill(kill.id)).toMatchObject({ inForceAt: at });
    });

    test('what it met is summed over replicas, once each', async () => {
      const { killSwitches, killReplicas } = stores;
      const { id: killId } = await killSwitches.set(killOf(FOR_NOBODY));
      const [one, two] = [uniqueId(), uniqueId()];
      await killReplicas.reached(one, [{ killId, sessions: 3, pinEntries: 1 }]);
      await killReplicas.reached(one, [{ killId, sessions: 9, pinEntries: 9 }]);
      await killReplicas.reached(two, [{ killId, sessions: 4, pinEntries: 0 }]);
      const reached = { replicas: 2, sessions: 7, pinEntries: 1 };
      expect(await killSwitches.kill(killId)).toMatchObject({ reached });
    });
  });

  describe('a decision', () => {
    test('is kept only while no switch was set or lifted since it was asked about', async () => {
      const { decisions, killReplicas, killSwitches } = stores;
      const phone = await enrolPhone(stores);
      const asked = await killReplicas.generation();
      const first = await addGrant(stores, phone);
      expect(await decisions.commit(decisionOf(first, { killGeneration: asked }))).toBe(true);
      const second = await addGrant(stores, phone, { sequence: 2n });
      const kill = await killSwitches.set(killOf(FOR_NOBODY));
      const late = decisionOf(second, { killGeneration: asked });
      expect(await decisions.commit(late)).toBe(false);
      const anew = { ...late, killGeneration: kill.generation };
      expect(await decisions.commit(anew)).toBe(true);
      const third = await addGrant(stores, phone, { sequence: 3n });
      await killSwitches.lift(kill.id, 'bob', 'over');
      expect(await decisions.commit(decisionOf(third, { killGeneration: kill.generation }))).toBe(false);
    });

    test('that was passed over has not used the card', async () => {
      const { decisions, killReplicas } = stores;
      const phone = await enrolPhone(stores);
      const generation = await killReplicas.generation();
      const grant = await addGrant(stores, phone);
      const late = decisionOf(grant, { killGeneration: generation - 1n });
      expect(await decisions.commit(late)).toBe(false);
      const { rows } = await pool.query('SELECT 1 FROM card_use WHERE root_grant_id = $1', [late.rootGrantId]);
      expect(rows).toEqual([]);
    });
  });

  describe('the preview', () => {
    const platforms = [
      { os: '202602', version: 7, signers: [SIGNER] },
      { os: '202603', version: 8, signers: ['99'.repeat(32)] },
      { os: '20260205', version: 9, signers: [SIGNER] },
      { os: 'unknown', version: 9, signers: [SIGNER] },
      { os: null, version: 10, signers: [SIGNER] },
    ] as const;
    const ids: string[] = [];
    const thumbprints: string[] = [];

    beforeAll(async () => {
      for (const [index, { os, version, signers }] of platforms.entries()) {
        const { id: inviteId } = await openInvite(stores, { merchant: 'previewed' });
        const key = signingKey();
        const platform = {
          ...PLATFORM,
          patchLevels: { ...PLATFORM.patchLevels, os },
          applicationId: { packages: [{ name: 'org.preview', version }], signers: [...signers] },
        };
        const deviceId = uniqueId();
        const attested = {
          ...ATTESTED,
          packageName: 'org.preview',
          appVersion: BigInt(version),
          osPatchLevel: os ?? 'unknown',
        };
        const session = {
          ...newSession(key, START, platform),
          sightings:
            index === 0 ? [{ keyId: Buffer.from(KEY, 'hex'), provisioning: 'factory' as const, model: null }] : [],
        };
        await stores.devices.enrol(inviteId, { id: deviceId, deviceKey: key.spki, attested }, session, NOTHING_AGAINST);
        ids.push(deviceId);
        thumbprints.push(key.thumbprint);
      }
    });

    const build = (fromVersion: number, toVersion: number, signer: string | null = null) =>
      ({ kind: 'build', packageName: 'org.preview', fromVersion, toVersion, signer }) satisfies KillSelector;

    test.each<readonly [KillSelector]>([
      [{ kind: 'merchant', acquirer: 'acquirer-a', merchant: 'previewed' }],
      [{ kind: 'merchant', acquirer: 'acquirer-b', merchant: 'previewed' }],
      [{ kind: 'acquirer', acquirer: 'acquirer-a' }],
      [{ kind: 'attestation-key', keyId: KEY }],
      [{ kind: 'attestation-key', keyId: 'ee'.repeat(32) }],
      [{ kind: 'everyone' }],
      [build(7, 7)],
      [build(8, 9)],
      [build(9, 10)],
      [build(11, 99)],
      [build(7, 10, SIGNER)],
      [build(7, 10, '98'.repeat(32))],
      ...[202601, 202602, 202603, 202604, 20260204, 20260205, 20260206, 20260301, 20260401].flatMap(
        (level): (readonly [KillSelector])[] => [[{ kind: 'os-patch-below', level }], [{ kind: 'os-patch', level }]],
      ),
    ])('of %o counts whom the switch hits', async (selector) => {
      const hit: string[] = [];
      for (const [index, thumbprint] of thumbprints.entries()) {
        const session = await stores.devices.session(thumbprint);
        if (session !== null && isHit(selector, killSubjectOf(session))) hit.push(ids[index]!);
      }
      const { devices, sample } = await stores.killSwitches.preview(selector, 1000);
      expect(sample).toHaveLength(devices);
      expect(
        sample
          .map(({ deviceId }) => deviceId)
          .filter((id) => ids.includes(id))
          .sort(),
      ).toEqual(hit.sort());
    });

    test('of one device names it, and no device that is suspended', async () => {
      const phone = await enrolPhone(stores);
      const selector: KillSelector = { kind: 'device', deviceId: phone.deviceId };
      const { deviceId, acquirer, merchant } = phone;
      const one = { devices: 1, merchants: 1, acquirers: 1, sample: [{ deviceId, acquirer, merchant }] };
      expect(await stores.killSwitches.preview(selector, 10)).toEqual(one);
      await pool.query(`UPDATE device SET status = 'suspended' WHERE id = $1`, [deviceId]);
      expect(await stores.killSwitches.preview(selector, 10)).toMatchObject({ devices: 0, sample: [] });
    });

    test('has no more of a sample than it is asked for', async () => {
      const preview = await stores.killSwitches.preview({ kind: 'everyone' }, 2);
      expect(preview.sample).toHaveLength(2);
      expect(preview.devices).toBeGreaterThan(2);
      expect(preview.merchants).toBeGreaterThan(1);
    });
  });

  test('a session knows every attestation key that its device has shown', async () => {
    const phone = await enrolPhone(stores);
    expect((await sessionOf(stores, phone)).attestationKeys).toEqual([]);
    const seen = `INSERT INTO attestation_sighting (key_id, device_id, provisioning, first_seen, last_seen)
                  VALUES ($1, $2, 'factory', now(), now())`;
    await pool.query(seen, [Buffer.alloc(32, 1), phone.deviceId]);
    await pool.query(seen, [Buffer.alloc(32, 2), phone.deviceId]);
    const { attestationKeys } = await sessionOf(stores, phone);
    expect([...attestationKeys].sort()).toEqual(['01'.repeat(32), '02'.repeat(32)]);
  });
});
