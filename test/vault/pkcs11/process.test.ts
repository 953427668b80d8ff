import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { VaultChild, type VaultChildOptions } from '../../../src/vault/child.ts';
import { VaultClient } from '../../../src/vault/client.ts';
import { initialise } from '../../../src/vault/keystore/initialise.ts';
import { MasterKeyOfToken } from '../../../src/vault/keystore/master-key.ts';
import type { KeystoreSource } from '../../../src/vault/keystore-source.ts';
import { Token } from '../../../src/vault/pkcs11/token.ts';
import { TokenKeys } from '../../../src/vault/pkcs11/token-keys.ts';
import { describeOnToken, makeSoftToken, type SoftToken, setForModules } from '../../support/soft-token.ts';
import { random, unwrap } from '../support/keystore.ts';
import { findInMemory } from '../support/process.ts';

const clock = { now: () => new Date() };
const PIN = 'jet-quartz-84613';

describeOnToken("the vault's process on a token", () => {
  let soft: SoftToken;
  let directory: string;
  let source: KeystoreSource;
  let lines: string[];
  const children: VaultChild[] = [];
  const clients: VaultClient[] = [];
  beforeEach(async () => {
    // No row of digits that memory holds by chance.
    soft = makeSoftToken('tapgate-test', PIN);
    directory = join(soft.root, 'keystore');
    lines = [];
    const { module, label, pinFile } = soft.address;
    source = { kind: 'pkcs11', module, tokenLabel: label, pinFile };
    await setForModules(soft.environment);
    const token = unwrap(await Token.open(soft.address, { serial: null, memory: null, clock }));
    const keys = new TokenKeys(token);
    unwrap(initialise({ directory, master: new MasterKeyOfToken(keys), token: keys }, { random, clock }));
    token.close();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const child of children.splice(0)) await child.stop(2_000);
    soft.remove();
  });

  const options = (): VaultChildOptions => ({
    directory,
    source,
    environment: soft.environment,
    socket: join(soft.root, 'run', 'vault.sock'),
    random,
    onLine: (line) => void lines.push(line),
    backoff: { leastMilliseconds: 10, mostMilliseconds: 50 },
  });
  async function start(): Promise<{ readonly child: VaultChild; readonly client: VaultClient }> {
    const child = unwrap(await VaultChild.start(options()));
    children.push(child);
    const client = new VaultClient({ socket: options().socket, random, callMilliseconds: 20_000 });
    clients.push(client);
    return { child, client };
  }

  test("runs under Node's restrictions, signs, and changes slots", async () => {
    const { client } = await start();
    const before = unwrap(await client.describe());
    const { slot } = unwrap(await client.generateKey({ kind: 'device-token' }, 'alice'));
    expect(unwrap(await client.changeKeyState(slot.id, 'active', 'alice'))).toHaveLength(2);
    const after = unwrap(await client.describe());
    expect(after.generation).toBe(before.generation + 2n);
    expect(after.bdkIds).toEqual(before.bdkIds);
    expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(['ready']);
  });

  test('has no PIN in its memory once it is logged in', async () => {
    const { child } = await start();
    const patterns = new Map([
      ['PIN', Buffer.from(PIN)],
      // The search itself works.
      ['label', Buffer.from(soft.address.label)],
    ]);
    expect(findInMemory(child.pid ?? 0, patterns)).toEqual(['label']);
  });

  test('that is refused its PIN does not start, and does not ask again', async () => {
    soft.setPinFile('999999');
    expect(await VaultChild.start(options())).toEqual({ ok: false, reason: 'VAULT_SOURCE_REFUSED' });
    expect(lines.join('\n')).toContain('TOKEN_PIN_REFUSED');
    expect(lines.join('\n')).not.toContain('999999');
    expect(readFileSync(join(directory, 'token-pin.refused'), 'latin1')).not.toContain('999999');
    soft.setPinFile(PIN);
    expect((await (await start()).client.describe()).ok).toBe(true);
  });
});
