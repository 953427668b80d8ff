import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { saleOf } from '../../src/virtual/attacks/attack.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { describeOnToken, makeSoftToken, type SoftToken } from '../support/soft-token.ts';
import { payThrough, startWorld } from './support.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const run = promisify(execFile);

describeOnToken('a service whose vault keeps its keys on a token', () => {
  let soft: SoftToken;
  let world: World;
  let end: () => Promise<void> = async () => {};
  let phone: VirtualPhone;
  beforeAll(async () => {
    soft = makeSoftToken();
    ({ world, end } = await startWorld(soft.configuration));
  }, 300_000);
  afterAll(async () => {
    await end();
    soft.remove();
  }, 60_000);

  test('gives a phone a device token and keys, and translates its PIN', async () => {
    phone = await world.phone();
    await phone.attest(await world.invite());
    await phone.injectKeys();
    await expect(payThrough(world, phone, saleOf(world, 9900n))).resolves.toMatchObject({ outcome: 'paid' });
  });

  test('goes on after the service and its vault were killed', async () => {
    await world.killService();
    await world.startService();
    await expect(payThrough(world, phone, saleOf(world, 9900n))).resolves.toMatchObject({ outcome: 'paid' });
  });

  test('rotates a base derivation key on the token: the phone pays before and after it moves', async () => {
    const { stdout: before } = await run(process.execPath, [TAPGATE, 'vault', 'status', '--data', world.folder.data]);
    expect(before).toContain('serial number');
    await run(process.execPath, [TAPGATE, 'key', 'generate', '--kind', 'bdk-pin', '--data', world.folder.data]);
    const { stdout } = await run(process.execPath, [
      TAPGATE,
      ...['key', 'list', '--kind', 'bdk-pin', '--data', world.folder.data, '--json'],
    ]);
    const slots = stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { readonly slot: string; readonly state: string });
    const prepared = slots.find(({ state }) => state === 'prepared')?.slot ?? '';
    await run(process.execPath, [TAPGATE, 'key', 'activate', prepared, '--data', world.folder.data]);
    await expect(payThrough(world, phone, saleOf(world, 9900n))).resolves.toMatchObject({ outcome: 'paid' });
    await phone.injectKeys();
    await expect(payThrough(world, phone, saleOf(world, 9900n))).resolves.toMatchObject({ outcome: 'paid' });
  });
});
