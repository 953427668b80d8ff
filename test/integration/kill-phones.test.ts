import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { saleOf } from '../../src/virtual/attacks/attack.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { payThrough, startWorld } from './support.ts';

const TAPGATE = join(import.meta.dirname, '../../src/cli/tapgate.ts');
const run = promisify(execFile);

let world: World;
let end: () => Promise<void> = async () => {};

beforeAll(async () => {
  ({ world, end } = await startWorld());
}, 120_000);

afterAll(() => end(), 60_000);

/** `tapgate kill ...` with JSON lines out. */
async function kill(...words: string[]): Promise<Record<string, unknown>[]> {
  const argv = [TAPGATE, 'kill', ...words, '--json', '--data', world.folder.data];
  const { stdout } = await run(process.execPath, argv, { env: { ...process.env, NODE_OPTIONS: '' } });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const set = async (...words: string[]) => (await kill('set', ...words, '--reason', 'a test', '--yes')).at(-1)!;
const lift = (last: Record<string, unknown>) => kill('lift', String(last.id), '--reason', 'over', '--yes');

async function readyPhone(): Promise<VirtualPhone> {
  const phone = await world.phone();
  await phone.attest(await world.invite());
  await phone.injectKeys();
  return phone;
}

describe('a phone under a kill switch', () => {
  test('attests, resumes and pays no more, before and after a restart, until the switch is lifted', async () => {
    const phone = await readyPhone();
    await payThrough(world, phone, saleOf(world, 100n));
    const words = ['--device', phone.memory.deviceId ?? '', '--reason', 'a test', '--yes'];
    const [shown, ...progress] = await kill('set', ...words);
    expect(shown).toMatchObject({ preview: { devices: '1', merchants: '1', sample: [{ deviceId: words[1] }] } });
    const last = progress.at(-1)!;
    expect(progress[0]).toMatchObject({ state: 'being set' });
    expect(last).toMatchObject({ state: 'in force', setBy: 'admin', cause: 'a test' });
    await expect(phone.attest(null)).rejects.toMatchObject({ reasons: ['DEVICE_BLOCKED'] });
    await expect(payThrough(world, phone, saleOf(world, 100n))).rejects.toMatchObject({ reasons: ['DEVICE_BLOCKED'] });
    await world.killService();
    await world.startService();
    await expect(phone.attest(null)).rejects.toMatchObject({ reasons: ['DEVICE_BLOCKED'] });
    expect(await kill('list')).toMatchObject([{ id: last.id, state: 'in force' }]);
    await lift(last);
    expect(await kill('list')).toEqual([]);
    await phone.attest(null);
    await expect(payThrough(world, phone, saleOf(world, 100n))).resolves.toMatchObject({ outcome: 'paid' });
  }, 120_000);

  test('enters no PIN in the middle of an entry, and pays without one', async () => {
    const phone = await readyPhone();
    const card = await world.card();
    let switched: Record<string, unknown> | null = null;
    phone.memory.probe = async ({ exchange, direction }) => {
      if (exchange === 'pin' && direction === 'received' && switched === null) switched = await set('--all-pin');
    };
    await expect(phone.pay(saleOf(world, 9000n), card, card.account.pin)).rejects.toMatchObject({
      reasons: ['PIN_OFF'],
    });
    expect(switched).toMatchObject({ state: 'in force', scope: 'pin', pinEntries: '1' });
    await expect(payThrough(world, phone, saleOf(world, 100n))).resolves.toMatchObject({ outcome: 'paid' });
    await lift(switched!);
    await expect(payThrough(world, phone, saleOf(world, 9000n))).resolves.toMatchObject({ outcome: 'paid' });
  }, 120_000);
});
