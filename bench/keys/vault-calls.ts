import type { KeyProof } from '../../src/injection/vault.ts';
import type { Random } from '../../src/ports/random.ts';
import type { Result } from '../../src/reasons/result.ts';
import type { VaultClient } from '../../src/vault/client.ts';
import { processMicroseconds } from '../cpu.ts';
import type { BenchReport } from '../group.ts';
import { lineOf } from '../lines.ts';
import { compare, interleave } from '../measure.ts';
import type { BenchVault } from './bench-vault.ts';

const ROUNDS = { rounds: 11, warmUp: 3 };
const BATCH = 64;
const BATCHES = 6;
const CALLS = BATCH * BATCHES;
const OFFER_BYTES = 700;
const CMAC_BYTES = 16;
const DERIVATION_ID_BYTES = 4;

type Call = (client: VaultClient) => Promise<Result<unknown>>;

/** Microseconds of one call: until its answer is there, and of CPU in both processes. */
interface CallCost {
  readonly elapsed: number;
  readonly cpu: number;
}

async function checked(call: Promise<Result<unknown>>): Promise<void> {
  const answer = await call;
  if (!answer.ok) throw new Error(`a call of the bench is refused: ${answer.reason}`);
}

async function costOf({ pid }: BenchVault, work: () => Promise<void>): Promise<CallCost> {
  const pids = [process.pid, pid];
  const before = processMicroseconds(pids);
  const started = performance.now();
  await work();
  const elapsed = ((performance.now() - started) * 1000) / CALLS;
  return { elapsed, cpu: (processMicroseconds(pids) - before) / CALLS };
}

/** Each call is made once the one before is answered. */
export function oneByOne(vault: BenchVault, call: Call): Promise<CallCost> {
  return costOf(vault, async () => {
    for (let made = 0; made < CALLS; made += 1) await checked(call(vault.client));
  });
}

/** So many calls are made in one turn of the event loop, as concurrent requests do it. */
export function inBatches(vault: BenchVault, call: Call): Promise<CallCost> {
  return costOf(vault, async () => {
    for (let batch = 0; batch < BATCHES; batch += 1) {
      await Promise.all(Array.from({ length: BATCH }, () => checked(call(vault.client))));
    }
  });
}

/** A proof of two initial keys: both are derived, and a working key of each. It does not hold, which costs the same. */
export async function keyProofOf(vault: BenchVault, random: Random): Promise<Call> {
  const described = await vault.client.describe();
  if (!described.ok) throw new Error(`the vault does not describe itself: ${described.reason}`);
  const { bdkIds } = described.value;
  const initialKeyId = (bdkId: Buffer): Buffer => Buffer.concat([bdkId, random.bytes(DERIVATION_ID_BYTES)]);
  const proof: KeyProof = {
    initialKeyIds: { pin: initialKeyId(bdkIds.pin), accountData: initialKeyId(bdkIds.accountData) },
    offer: random.bytes(OFFER_BYTES),
    pinCmac: random.bytes(CMAC_BYTES),
    accountDataCmac: random.bytes(CMAC_BYTES),
  };
  return (client) => client.verifyKeyProof(proof);
}

/** Measures calls that are made together against calls one after the other, and both parts of their cost. */
export async function measureBatches(vault: BenchVault, random: Random, { line, tell }: BenchReport): Promise<void> {
  tell(`calls of the vault, one after the other and ${BATCH} in one turn`);
  const calls: Readonly<Record<string, Call>> = {
    'vault-call': (client) => client.shuffleLayout(),
    'vault-key-proof': await keyProofOf(vault, random),
  };
  for (const [name, call] of Object.entries(calls)) {
    const rounds = await interleave({
      ...ROUNDS,
      ours: () => inBatches(vault, call),
      yardstick: () => oneByOne(vault, call),
    });
    for (const part of ['elapsed', 'cpu'] as const) {
      const measured = rounds.map(({ ours, yardstick }) => ({ ours: ours[part], yardstick: yardstick[part] }));
      const what = part === 'cpu' ? 'CPU µs/call of client + vault' : 'µs/call';
      const unit = `${what}, ${BATCH} calls in one turn; yardstick: one after the other`;
      line(lineOf(`keys/${name}-batched-${part}`, unit, compare(measured), null));
    }
  }
}

/** Measures a token's vault beside a software vault, calls in batches. */
export async function measureToken(
  software: BenchVault,
  token: BenchVault,
  random: Random,
  { line, tell }: BenchReport,
): Promise<void> {
  tell('a vault on a PKCS #11 token beside a software vault');
  const [onToken, inSoftware] = [await keyProofOf(token, random), await keyProofOf(software, random)];
  const rounds = await interleave({
    ...ROUNDS,
    ours: async () => (await inBatches(token, onToken)).elapsed,
    yardstick: async () => (await inBatches(software, inSoftware)).elapsed,
  });
  const unit = 'µs/proof of two initial keys, BDKs on a SoftHSM token; yardstick: the same call of a software vault';
  line(lineOf('keys/pkcs11-key-proof', unit, compare(rounds), null));
}
