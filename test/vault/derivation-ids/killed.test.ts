import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { randomUuid } from '../../../src/ports/random.ts';
import { VaultChild } from '../../../src/vault/child.ts';
import { VaultClient } from '../../../src/vault/client.ts';
import { BLOCK_IDS } from '../../../src/vault/derivation-ids/opened-blocks.ts';
import { ACQUIRER, random, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';

const ROUNDS = 5;
const BLOCKS = 4;

let fixture: VaultFixture;
let socket: string;
let child: VaultChild | null = null;
beforeEach(() => {
  fixture = vaultFixture();
  socket = join(fixture.directory, '..', 'run', 'vault.sock');
});
afterEach(async () => {
  await child?.stop(0);
  fixture.remove();
});

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const transportKey = publicKey.export({ format: 'der', type: 'spki' });

const idOf = (bdk: Buffer, derivationId: number): Buffer => {
  const id = Buffer.alloc(8);
  bdk.copy(id);
  id.writeUInt32BE(derivationId, 4);
  return id;
};

// A service that was taken over: it asks for the same few hundred identifiers again and again, whatever it was answered,
// while the vault is killed, after some answers, while others are on their way, and comes back.
test('a vault that is killed again and again offers no initial key twice', async () => {
  const backoff = { leastMilliseconds: 20, mostMilliseconds: 40 };
  const onLine = (): undefined => undefined;
  child = unwrap(await VaultChild.start({ directory: fixture.directory, socket, random, backoff, onLine }));
  const client = new VaultClient({ socket, random, callMilliseconds: 3_000 });
  const offered: number[] = [];
  let refused = 0;
  const ask = async (derivationId: number): Promise<void> => {
    const answer = await client.offerKeys({
      injectionId: randomUuid(random),
      deviceId: 'device-1',
      acquirer: ACQUIRER,
      sessionKeyThumbprint: 'A'.repeat(43),
      transport: 'key-agreement',
      transportKey,
      nonce: random.bytes(32),
      initialKeyIds: {
        pin: idOf(fixture.keys.pinBdk.id, derivationId),
        accountData: idOf(fixture.keys.accountDataBdk.id, derivationId),
      },
      expiresAt: new Date(1_800_000_000_000),
    });
    if (answer.ok) offered.push(derivationId);
    else if (answer.reason === 'DERIVATION_ID_USED') refused += 1;
    else expect(answer.reason).toBe('VAULT_UNAVAILABLE');
  };
  const counts = fc.sample(fc.integer({ min: 0, max: 200 }), { seed: 17, numRuns: ROUNDS });
  for (const [round, count] of counts.entries()) {
    const until = offered.length + refused + count;
    const { pid } = child;
    const ids = Array.from({ length: BLOCKS * BLOCK_IDS }, (_, at) => (round % 3) * BLOCK_IDS + at);
    let alive = true;
    const kill = (): void => {
      if (alive) process.kill(pid ?? 0, 'SIGKILL');
      alive = false;
    };
    const killWhenDue = (): void => {
      if (offered.length + refused >= until) kill();
    };
    killWhenDue();
    await Promise.all(ids.map((id) => ask(id).then(killWhenDue)));
    kill();
    for (let attempt = 0; child.pid === pid || !(await client.describe()).ok; attempt += 1) {
      if (attempt > 200) throw new Error('no other vault was started');
      await sleep(25);
    }
  }
  const last = offered.length;
  const untouched = 100 * BLOCK_IDS;
  await ask(untouched);
  client.close();
  expect(offered).toHaveLength(last + 1);
  expect(new Set(offered).size).toBe(offered.length);
  expect(last).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(BLOCK_IDS);
}, 60_000);
