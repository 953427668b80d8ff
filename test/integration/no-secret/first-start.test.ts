import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ServingChild, startServing } from '../../../src/virtual/world/process.ts';
import { openVault } from './known.ts';
import { describeOnLinux } from './linux.ts';
import { Scanner } from './scanner.ts';
import { memorySources } from './sources.ts';

const TAPGATE = fileURLToPath(new URL('../../../src/cli/tapgate.ts', import.meta.url));

describeOnLinux('a service that made its keystore itself, at its first start', () => {
  let root: string;
  let service: ServingChild | null = null;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'tapgate-first-'));
    await chmod(root, 0o711);
    const ports = ['DEVICE', 'PROCESSING', 'ADMIN', 'OPS'].map((plane) => [
      `TAPGATE_CONFIG_LISTENERS_${plane}_PORT`,
      '0',
    ]);
    service = await startServing([TAPGATE, 'serve', '--data', join(root, 'data'), '--json'], {
      log: join(root, 'service.log'),
      isReady: (line) => line.includes('"event":"ready"'),
      environment: Object.fromEntries(ports),
    });
  }, 120_000);

  afterAll(async () => {
    await service?.stop();
    await rm(root, { recursive: true, force: true });
  }, 60_000);

  test('has none of its keys in its memory once it serves', () => {
    const { secrets } = openVault(join(root, 'data', 'vault'));
    const { found, looked } = new Scanner(secrets).look(memorySources(service?.pid ?? 0));
    expect(looked).toBeGreaterThan(50_000_000);
    expect(found).toEqual([]);
  });
});
