import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { systemClock, systemRandom } from '../../src/app/system.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import type { SignedPayment } from '../../src/virtual/phone/intent.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import { PhoneRefused } from '../../src/virtual/phone/refused.ts';
import type { PaymentResult } from '../../src/virtual/world/processing-client.ts';
import { World } from '../../src/virtual/world/world.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const PAUSE = 200;
const ATTEMPTS = 100;

const AWAY: ReadonlySet<string> = new Set(['SERVICE_UNAVAILABLE', 'VAULT_UNAVAILABLE']);

/** A world in a folder of its own, and how to end it. */
export async function startWorld(
  vault?: object,
): Promise<{ readonly world: World; readonly end: () => Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'tapgate-test-'));
  const world = await World.start({
    root,
    tapgate: TAPGATE,
    clock: systemClock,
    random: systemRandom,
    ...(vault && { vault }),
  });
  const end = async (): Promise<void> => {
    await world.stop();
    await rm(root, { recursive: true, force: true });
  };
  return { world, end };
}

/** Puts an edited copy of the default policy in force, by paths of its members. */
export function changePolicy(
  world: World,
  edits: readonly (readonly [path: readonly string[], value: unknown])[],
): Promise<string> {
  return world.security(async (team) => {
    const policy = parseDocument((await team.policy()).document);
    for (const [path, value] of edits) policy.setIn(path, value);
    return team.activatePolicy(policy.toString());
  });
}

/** The vault's process of this world's service (Linux). */
export function vaultPid(world: World): number {
  const directory = join(world.folder.data, 'vault');
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const words = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      if (words.includes(directory) && words.some((word) => word.endsWith('vault/main.ts'))) return Number(entry);
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error('no vault runs');
}

/** Kills the vault's process of this world, as a power cut would; the service starts another. */
export async function killVault(world: World): Promise<void> {
  const killed = vaultPid(world);
  process.kill(killed, 'SIGKILL');
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    try {
      if (vaultPid(world) !== killed) return;
    } catch {
      // None runs at this moment.
    }
    await sleep(PAUSE / 4);
  }
  throw new Error('no other vault was started');
}

/** Whether the service says no more than that something it stands on is away at this moment. */
function isAway(error: unknown): boolean {
  return error instanceof PhoneRefused && error.reasons.every((code) => AWAY.has(code));
}

/** Tries again while the service is away, or what it stands on, as an app does: what it refuses is thrown on. */
export async function persistently<T>(step: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await step();
    } catch (error) {
      if ((error instanceof PhoneRefused && !isAway(error)) || attempt === ATTEMPTS) throw error;
      await sleep(PAUSE);
    }
  }
}

/** Submits until something is decided. */
export async function untilDecided(submit: () => Promise<PaymentResult>): Promise<PaymentResult> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await submit().catch((): PaymentResult | null => null);
    if (result !== null && result.outcome !== 'unavailable') return result;
    if (attempt === ATTEMPTS) throw new Error('nothing was decided in time');
    await sleep(PAUSE);
  }
}

/**
 * Pays an order as an app would, through whatever happens: a lost grant, lost keys or a lost PIN begin the transaction
 * anew, under the same order.
 */
export async function payThrough(
  world: World,
  phone: VirtualPhone,
  terms: TransactionTerms,
  onPayment: (payment: SignedPayment) => void = () => {},
): Promise<PaymentResult> {
  const card = await world.card();
  const pin = terms.amountMinor > 5000n ? card.account.pin : null;
  const processing = await world.processing();
  for (let attempt = 1; attempt <= 20; attempt += 1) {
    try {
      const payment = await persistently(() => phone.pay(terms, card, pin));
      onPayment(payment);
      const result = await untilDecided(() => processing.submit(payment));
      if (result.outcome === 'paid') return result;
      if (!result.reasons.includes('PIN_LOST')) throw new Error(`not paid: ${result.reasons.join(', ')}`);
    } catch (error) {
      if (!(error instanceof PhoneRefused)) throw error;
      if (error.reasons.includes('KEYS_NOT_ACTIVE')) await persistently(() => phone.injectKeys());
      else if (!error.reasons.includes('PIN_ENTRY_BEGUN')) throw error;
    }
  }
  throw new Error('not paid after twenty transactions');
}
