import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startVaultServer, type VaultServer } from '../../src/vault/server.ts';
import { prepareSocket } from '../../src/vault/socket.ts';
import { clock, random, unwrap, type VaultFixture, vaultFixture } from './support/keystore.ts';

let fixture: VaultFixture;
let folder: string;
beforeEach(() => {
  fixture = vaultFixture();
  folder = join(fixture.directory, '..', 'run');
});
afterEach(() => fixture.remove());

const log = (): void => undefined;
const serve = (
  socketAccess: 'owner' | 'group',
): Promise<{ ok: true; value: VaultServer } | { ok: false; reason: string }> =>
  startVaultServer({
    socket: join(folder, 'vault.sock'),
    socketAccess,
    custodian: fixture.custodian,
    ports: { random, clock },
    log,
  });
const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('the socket of a vault', () => {
  test("is its own user's alone", async () => {
    const server = unwrap(await serve('owner'));
    expect([modeOf(folder), modeOf(join(folder, 'vault.sock'))]).toEqual([0o700, 0o600]);
    server.stop();
  });

  test('is for a group in a folder that was made for it', async () => {
    mkdirSync(folder);
    chmodSync(folder, 0o750);
    const server = unwrap(await serve('group'));
    expect(modeOf(join(folder, 'vault.sock'))).toBe(0o660);
    server.stop();
  });

  test.each([
    ['that is not there', null],
    ['that others may pass', 0o751],
    ['that the group may write to', 0o770],
  ])('is for no group in a folder %s', async (_what, mode) => {
    if (mode !== null) {
      mkdirSync(folder);
      chmodSync(folder, mode);
    }
    expect(await prepareSocket(join(folder, 'vault.sock'), 'group')).toMatchObject({ reason: 'SOCKET_FOLDER' });
  });

  test("is its own user's alone in no folder that a group may pass", async () => {
    mkdirSync(folder);
    chmodSync(folder, 0o750);
    expect(await prepareSocket(join(folder, 'vault.sock'))).toMatchObject({ reason: 'SOCKET_FOLDER' });
  });
});
