import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { VaultChild, type VaultChildOptions } from '../../src/vault/child.ts';
import { VaultClient } from '../../src/vault/client.ts';
import { openZone, random, softwareKey, unwrap, type VaultFixture, vaultFixture } from './support/keystore.ts';
import { testPayment } from './support/payment.ts';
import { CARD_TLV, PAN, PIN, testPhone } from './support/phone.ts';
import { findInMemory, isRunning, untilGone } from './support/process.ts';

let fixture: VaultFixture;
let socket: string;
let lines: string[];
let told: (() => void)[];
const children: VaultChild[] = [];
const clients: VaultClient[] = [];
beforeEach(() => {
  fixture = vaultFixture();
  socket = join(fixture.directory, '..', 'run', 'vault.sock');
  lines = [];
  told = [];
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const child of children.splice(0)) await child.stop(2_000);
  fixture.remove();
});

const options = (more: Partial<VaultChildOptions> = {}): VaultChildOptions => ({
  directory: fixture.directory,
  socket,
  random,
  onLine: (line) => {
    lines.push(line);
    for (const tell of told) tell();
  },
  backoff: { leastMilliseconds: 10, mostMilliseconds: 50 },
  ...more,
});
async function started(more: Partial<VaultChildOptions> = {}): Promise<VaultChild> {
  const child = unwrap(await VaultChild.start(options(more)));
  children.push(child);
  return child;
}
function client(): VaultClient {
  const made = new VaultClient({
    socket,
    random,
    callMilliseconds: 20_000,
    backoff: { leastMilliseconds: 5, mostMilliseconds: 50 },
  });
  clients.push(made);
  return made;
}
/** Events that the vault's process has logged so far. */
const events = (): string[] => lines.map((line) => (JSON.parse(line) as { event: string }).event);
/** Settles once the process has logged an event so often. */
const logged = (event: string, times = 1): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (events().filter((seen) => seen === event).length >= times) resolve();
    };
    told.push(look);
    look();
  });

const onLinux = process.platform === 'linux' ? test : test.skip;

describe('the vault as a child', () => {
  test('answers once it is started, and is gone once it is stopped', async () => {
    const child = await started();
    expect((await client().describe()).ok).toBe(true);
    const pid = child.pid ?? 0;
    await child.stop(2_000);
    await child.stop(2_000);
    expect(isRunning(pid)).toBe(false);
    expect(events()).toEqual(['ready', 'parent gone']);
  });

  test('is started anew after a crash, and its client finds it again', async () => {
    const child = await started();
    const vault = client();
    expect((await vault.shuffleLayout()).ok).toBe(true);
    const first = child.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await logged('ready', 2);
    expect((await vault.shuffleLayout()).ok).toBe(true);
    expect(child.pid).not.toBe(first);
    expect(isRunning(first)).toBe(false);
  });

  test('is tried again until its keystore is there again', async () => {
    const child = await started();
    renameSync(fixture.directory, `${fixture.directory}.away`);
    process.kill(child.pid ?? 0, 'SIGKILL');
    await logged('keystore refused', 2);
    renameSync(`${fixture.directory}.away`, fixture.directory);
    await logged('ready', 2);
    expect((await client().shuffleLayout()).ok).toBe(true);
  });

  test('is not started again once it was stopped', async () => {
    const child = await started();
    const pid = child.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await child.stop(2_000);
    expect(await somebodyAnswers()).toBe(false);
  });

  test('is ended by force where it does not end by itself', async () => {
    const child = await started();
    const pid = child.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    await child.stop(50);
    expect(isRunning(pid)).toBe(false);
  });

  test('does not outlive a parent that is killed', async () => {
    const program = join(import.meta.dirname, 'programs', 'vault-parent.ts');
    const parent = spawn(process.execPath, [program, fixture.directory, socket], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [said] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(said.toString());
    expect(isRunning(pid)).toBe(true);
    const gone = untilGone(socket);
    const closed = once(parent, 'close');
    parent.kill('SIGKILL');
    await Promise.all([gone, closed]);
    expect((await started()).pid).not.toBe(pid);
  });

  test('takes new zone keys at a reload, and keeps its keys where that is refused', async () => {
    const child = await started();
    openZone(fixture.directory, 'acquirer-b');
    child.reload();
    await logged('keystore reloaded');
    const vault = client();
    expect(unwrap(await vault.describe()).acquirers).toEqual(['acquirer-a', 'acquirer-b']);
    renameSync(join(fixture.directory, 'keys.json'), join(fixture.directory, 'keys.away'));
    child.reload();
    await logged('reload refused');
    expect(unwrap(await vault.describe()).acquirers).toEqual(['acquirer-a', 'acquirer-b']);
  });
});

/** Asks at the socket without waiting for a vault to come up. */
async function somebodyAnswers(): Promise<boolean> {
  const asked = new VaultClient({ socket, random, callMilliseconds: 500 });
  clients.push(asked);
  return (await asked.shuffleLayout()).ok;
}

describe('a vault that cannot start says why', () => {
  test('its keystore is not there', async () => {
    expect(await VaultChild.start(options({ directory: join(fixture.directory, 'no') }))).toEqual({
      ok: false,
      reason: 'VAULT_KEYSTORE_REFUSED',
    });
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'keystore refused', fault: 'KEYSTORE_MISSING' });
  });

  test('its socket is in use, even by another vault that would answer', async () => {
    await started();
    expect(await VaultChild.start(options())).toEqual({ ok: false, reason: 'VAULT_SOCKET_REFUSED' });
  });

  test('its socket is in use by something that says nothing', async () => {
    await started();
    await children.splice(0)[0]?.stop(2_000);
    const mute = createServer();
    await new Promise<void>((resolve) => mute.listen(socket, resolve));
    expect(await VaultChild.start(options())).toEqual({ ok: false, reason: 'VAULT_SOCKET_REFUSED' });
    mute.close();
  });

  test('it does not answer in its time', async () => {
    expect(await VaultChild.start(options({ readyMilliseconds: 1 }))).toEqual({ ok: false, reason: 'VAULT_SILENT' });
  });
});

describe('what the process keeps to itself', () => {
  onLinux('its memory is in no core dump, and it inherits no environment', async () => {
    const { pid } = await started();
    expect(readFileSync(`/proc/${pid}/coredump_filter`, 'utf8').trim()).toBe('00000000');
    expect(readFileSync(`/proc/${pid}/environ`)).toHaveLength(0);
  });

  onLinux('no PIN and no card data stays in its memory, in any form, once a payment is answered', async () => {
    const { pid = 0 } = await started();
    const vault = client();
    const phone = testPhone(fixture);
    for (let count = 0; count < 20; count += 1) {
      const { call, claims, intentHash: none } = testPayment(fixture, phone, { now: new Date() });
      const empty = { payload: none, signature: none, keyId: '' };
      const translation = {
        intent: call.intent ?? empty,
        sessionKey: call.sessionPublicKey,
        grant: call.grant ?? empty,
        pinBlock: call.pinBlock,
        receipt: claims,
      };
      expect((await vault.translatePayment(translation)).ok).toBe(true);
    }
    const byValue = (digits: string): Buffer => Buffer.from([...digits].map(Number));
    const control = softwareKey(fixture.keys.pinBdk).use((bytes) => Buffer.from(bytes));
    const patterns = new Map([
      ['PIN, ASCII', Buffer.from(PIN)],
      ['PIN, digits', byValue(PIN)],
      ['PIN, BCD', Buffer.from(PIN, 'hex')],
      ['PAN, ASCII', Buffer.from(PAN)],
      ['PAN, digits', byValue(PAN)],
      ['PAN, BCD', Buffer.from(PAN, 'hex')],
      ['card data', CARD_TLV],
      // The search itself works: this key has to be there.
      ['base derivation key', control],
    ]);
    expect(findInMemory(pid, patterns)).toEqual(['base derivation key']);
  });
});
