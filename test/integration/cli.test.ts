import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportKeyBlock } from '../../src/payment-crypto/key-block/export.ts';
import { importKeyBlock } from '../../src/payment-crypto/key-block/import.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { joinComponents, newComponent } from '../../src/vault/keystore/components.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { random, unwrap } from '../vault/support/keystore.ts';
import { startWorld, vaultPid } from './support.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const ACQUIRER = 'newcomer';

let world: World;
let end: () => Promise<void> = async () => {};
let scratch: string;
let kek: SecretKey;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs a command to its end, whatever that is. */
function run(...words: string[]): Promise<Ended> {
  const all = [TAPGATE, ...words, '--data', world.folder.data];
  return new Promise((resolve) => {
    execFile(process.execPath, all, { env: { ...process.env, NODE_OPTIONS: '' } }, (failed, out, error) => {
      const code = failed === null ? 0 : typeof failed.code === 'number' ? failed.code : -1;
      resolve({ code, out, error });
    });
  });
}

/** Runs a command that ends well, and reads its JSON lines. */
async function json<T = Record<string, unknown>>(...words: string[]): Promise<T[]> {
  const { code, out, error } = await run(...words, '--json');
  if (code !== 0) throw new Error(`${words.join(' ')}: ${code} ${error}`);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

interface Shown {
  readonly slot: string;
  readonly state: string;
  readonly keyCheckValue: string;
  readonly enteredBy: string;
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'tapgate-cli-'));
  ({ world, end } = await startWorld());
  const components = [newComponent(random), newComponent(random)];
  const files = components.map((_, at) => join(scratch, `component-${at}`));
  for (const [at, { component, kcv }] of components.entries())
    await writeFile(files[at] ?? '', `${component} ${kcv}\n`, { mode: 0o600 });
  const joined = unwrap(joinComponents(components));
  kek = joined.key;
  const words = ['vault', 'zone', '--acquirer', ACQUIRER, '--kek-only', '--check-value', joined.kcv];
  expect(await json(...words, '--component', ...files)).toEqual([{ acquirer: ACQUIRER, kekKcv: joined.kcv }]);
  process.kill(vaultPid(world), 'SIGHUP');
}, 300_000);

afterAll(async () => {
  await end();
  await rm(scratch, { recursive: true, force: true });
}, 60_000);

describe('tapgate key', () => {
  test('lists and shows slots, for people and as JSON', async () => {
    const slots = await json<Shown>('key', 'list', '--kind', 'bdk-pin');
    expect(slots).toEqual([
      {
        slot: expect.stringMatching(/^bdk-pin-/),
        kind: 'bdk-pin',
        acquirer: '',
        state: 'active',
        keyCheckValue: expect.stringMatching(/^[0-9A-F]{10}$/),
        keyId: '',
        bdkId: expect.stringMatching(/^[0-9A-F]{8}$/),
        enteredBy: '',
        since: expect.any(String),
        nextStepFrom: '',
        history: [{ state: 'active', at: expect.any(String), by: expect.any(String) }],
      },
    ]);
    const { out } = await run('key', 'list', '--kind', 'bdk-pin');
    expect(out).toMatch(/slot.*state.*check value.*still in use by/);
    expect(out).toContain(slots[0]?.keyCheckValue);
    const shown = await run('key', 'show', slots[0]?.slot ?? '');
    expect(shown.out).toMatch(/bdkId +[0-9A-F]{8}/);
  }, 60_000);

  test("takes an acquirer's zone key, activates it, and gives it back under the acquirer's key alone", async () => {
    const key = SecretKey.generate('AES', 128, random);
    const attributes = { usage: 'P0', algorithm: 'A', modeOfUse: 'E', keyVersion: '00', exportability: 'E' };
    const block = join(scratch, 'block.txt');
    await writeFile(block, `${unwrap(exportKeyBlock({ version: 'D', attributes, key }, kek, random))}\n`);
    const words = ['key', 'import', '--kind', 'zone-pin', '--acquirer', ACQUIRER, '--key-block', block];
    const wrong = await run(...words, '--check-value', '000000');
    expect(wrong).toMatchObject({ code: 1, out: '' });
    expect(wrong.error).toContain('KEY_CHECK_VALUE_MISMATCH');
    const [slot] = await json<Shown & { readonly tolerated: string[] }>(...words);
    expect(slot).toMatchObject({ state: 'prepared', enteredBy: 'key-block', tolerated: [] });
    const [active] = await json<Shown>('key', 'activate', slot?.slot ?? '');
    expect(active).toMatchObject({ slot: slot?.slot, state: 'active' });
    const again = await run('key', 'activate', slot?.slot ?? '');
    expect(again).toMatchObject({ code: 0, out: expect.stringContaining('It was so already.') });
    const out = join(scratch, 'out.txt');
    const exported = await run('key', 'export', slot?.slot ?? '', '--out', out);
    expect(exported).toMatchObject({ code: 0, out: expect.stringContaining(slot?.keyCheckValue ?? '?') });
    const back = unwrap(importKeyBlock((await readFile(out, 'utf8')).trim(), kek, { tolerate: new Set() }));
    expect(back.key.equals(key)).toBe(true);
  }, 120_000);

  test('says by name how a key block departs from the standard, and takes it where that is tolerated', async () => {
    const key = SecretKey.generate('AES', 128, random);
    const attributes = { usage: 'D0', algorithm: 'A', modeOfUse: 'N', keyVersion: '00', exportability: 'E' };
    const block = join(scratch, 'lenient.txt');
    await writeFile(block, unwrap(exportKeyBlock({ version: 'D', attributes, key }, kek, random)));
    const words = ['key', 'import', '--kind', 'zone-data', '--acquirer', ACQUIRER, '--key-block', block];
    const refused = await run(...words);
    expect(refused.code).toBe(1);
    expect(refused.error).toMatch(/KEY_DEVIATION.*MODE_OF_USE_N/s);
    const taken = await run(...words, '--tolerate', 'MODE_OF_USE_N');
    expect(taken).toMatchObject({ code: 0, out: expect.stringContaining('Tolerated: MODE_OF_USE_N') });
  }, 60_000);

  test.each(['bdk-pin', 'grant', 'kek', 'zone-kek'])(
    'gives no %s out',
    async (kind) => {
      const [slot] = await json<Shown>('key', 'list', '--kind', kind);
      const { code, error } = await run('key', 'export', slot?.slot ?? '');
      expect({ code, error }).toMatchObject({ code: 1, error: expect.stringContaining('KEY_NOT_EXPORTABLE') });
    },
    60_000,
  );

  test('says what to do where something is missing', async () => {
    const unknown = await run('key', 'show', 'nothing');
    expect(unknown.code).toBe(1);
    expect(unknown.error).toContain('KEY_SLOT_UNKNOWN: There is no key slot of this name. List the key slots.');
    const unbound = await run('key', 'tr34', 'request', '--acquirer', ACQUIRER, '--out', join(scratch, 'rt'));
    expect(unbound.error).toContain('tapgate vault tr34');
    const both = await run('key', 'import', '--kind', 'zone-pin', '--acquirer', ACQUIRER);
    expect(both).toMatchObject({ code: 2, error: expect.stringContaining('--key-block or --tr34') });
    const stranger = await run('key', 'list', '--as', 'eve@security');
    expect(stranger).toMatchObject({ code: 2, error: expect.stringContaining('tapgate certs init') });
    const nobody = await run('key', 'list', '--server', '127.0.0.1:1');
    expect(nobody.code).toBe(3);
  }, 60_000);

  test('rotates a base derivation key, and tells how many phones are on the one before until they have moved', async () => {
    const phone = await world.readyPhone();
    await phone.injectKeys();
    interface Step {
      readonly step: string;
      readonly next?: string;
      readonly waiting?: readonly { readonly slot: string; readonly resting: { live: number; unsettled: number } }[];
    }
    const steps = await json<Step>('key', 'rotate', '--kind', 'bdk-pin');
    expect(steps.map(({ step }) => step)).toEqual(['generate', 'activate', 'wait']);
    expect(steps[2]).toMatchObject({ next: 'retire', waiting: [{ resting: { live: 1 } }] });
    const early = await run('key', 'retire', steps[2]?.waiting?.[0]?.slot ?? '');
    expect(early).toMatchObject({ code: 1, error: expect.stringContaining('KEY_STILL_IN_USE') });
    const human = await run('key', 'list', '--kind', 'bdk-pin');
    expect(human.out).toContain('1 phone');
    await sleep(1_500);
    await phone.injectKeys();
    const [draining] = (
      await json<Shown & { resting?: { live: number; unsettled: number } }>('key', 'list', '--kind', 'bdk-pin')
    ).filter(({ state }) => state === 'draining');
    expect(draining?.resting?.live).toBe(0);
    expect(draining?.resting?.unsettled).toBeGreaterThan(0);
  }, 120_000);
});

describe('what loosens is asked for first', () => {
  const UNCONFIRMED = { code: 2, error: expect.stringContaining('Add --yes') };

  test('the withdrawal of a policy, once it has shown what that changes', async () => {
    const strict = join(scratch, 'strict.yaml');
    const [shown] = await json<{ policy: { pin: object } }>('policy', 'show');
    const policy = { ...shown?.policy, pin: { ...shown?.policy.pin, allowed: false } };
    await writeFile(strict, JSON.stringify(policy));
    await json('policy', 'activate', strict, '--scope', 'group:pilots', '--yes');
    const inForce = async () =>
      (await json<{ inForce: { scope: string }[] }>('policy', 'list'))[0]?.inForce.map(({ scope }) => scope);
    const withdraw = ['policy', 'withdraw', '--scope', 'group:pilots'];
    const unconfirmed = await run(...withdraw);
    expect(unconfirmed).toMatchObject(UNCONFIRMED);
    expect(unconfirmed.out).toMatch(/pin\.allowed +false +true +LOOSER/);
    expect(await inForce()).toContain('group:pilots');
    expect(await run(...withdraw, '--yes')).toMatchObject({ code: 0 });
    expect(await inForce()).toEqual(['default']);
    expect(await run(...withdraw, '--yes')).toMatchObject({ code: 1, error: expect.stringContaining('NOT_FOUND') });
  }, 60_000);

  test('the lifting of a kill switch', async () => {
    const words = ['kill', 'set', '--merchant', 'acquirer/nobody', '--reason', 'a test', '--yes'];
    const id = String((await json<{ id?: string }>(...words)).at(-1)?.id);
    const lift = ['kill', 'lift', id, '--reason', 'over'];
    expect(await run(...lift)).toMatchObject({ ...UNCONFIRMED, out: '' });
    expect(await json('kill', 'list')).toMatchObject([{ id, state: 'in force' }]);
    expect(await run(...lift, '--yes')).toMatchObject({ code: 0, out: `${id} is lifted.\n` });
    expect(await json('kill', 'list')).toEqual([]);
  }, 60_000);
});

describe('tapgate invite and tapgate device', () => {
  test('make an invite whose code is shown once, list it, and withdraw it', async () => {
    const [made] = await json<{ id: string; code: string; expiresAt: string }>(
      'invite',
      'create',
      '--merchant',
      'shop-9',
    );
    expect(made).toMatchObject({ id: expect.any(String), code: expect.any(String), expiresAt: expect.any(String) });
    const listed = await run('invite', 'list', '--json');
    expect(listed.out).toContain(made?.id);
    expect(listed.out).not.toContain(made?.code);
    const withdrawn = await run('invite', 'withdraw', made?.id ?? '');
    expect(withdrawn).toMatchObject({ code: 0, out: expect.stringContaining('withdrawn') });
    const human = await run('invite', 'show', made?.id ?? '');
    expect(human.out).toContain('withdrawn');
    expect((await run('invite', 'show', '00000000-0000-4000-8000-000000000000')).code).toBe(1);
  }, 60_000);

  test('list the phones, and suspend and resume one', async () => {
    await world.readyPhone();
    const [listed] = await json<{ device: string; status: string }>('device', 'list');
    expect(listed).toMatchObject({ device: expect.any(String), status: 'active' });
    const id = listed?.device ?? '';
    expect((await run('device', 'suspend', id, '--cause', 'lost')).code).toBe(0);
    expect((await json('device', 'show', id))[0]).toMatchObject({ status: 'suspended' });
    const resume = ['device', 'resume', id, '--cause', 'found'];
    expect(await run(...resume)).toMatchObject({ code: 2, error: expect.stringContaining('Add --yes') });
    expect((await json('device', 'show', id))[0]).toMatchObject({ status: 'suspended' });
    expect((await run(...resume, '--yes')).code).toBe(0);
    const human = await run('device', 'show', id);
    expect(human.out).toContain('active');
    await json('device', 'group', 'add', 'pilots', id);
    await json('device', 'group', 'remove', 'pilots', id);
    expect(await json('device', 'group', 'history', 'pilots')).toMatchObject([
      { change: 'removed', deviceIds: [id], changedBy: 'admin' },
      { change: 'added', deviceIds: [id], changedBy: 'admin' },
    ]);
    const unknown = await run('device', 'show', '00000000-0000-4000-8000-000000000000');
    expect(unknown).toMatchObject({ code: 1, error: expect.stringContaining('NOT_FOUND') });
  }, 60_000);
});
