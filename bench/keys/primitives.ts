import { deriveInitialKey, workingKeyFromBdk } from '../../src/payment-crypto/aes-dukpt/host.ts';
import type { WorkingKeyUsage } from '../../src/payment-crypto/aes-dukpt/key-type.ts';
import { exportKeyBlock } from '../../src/payment-crypto/key-block/export.ts';
import { parseKeyBlockHeader } from '../../src/payment-crypto/key-block/header.ts';
import { importKeyBlock } from '../../src/payment-crypto/key-block/import.ts';
import { AesKsn, InitialKeyId } from '../../src/payment-crypto/ksn.ts';
import { ClearPin } from '../../src/payment-crypto/pin-block/clear-pin.ts';
import { encipherFormat4 } from '../../src/payment-crypto/pin-block/format4.ts';
import { Pan } from '../../src/payment-crypto/pin-block/pan.ts';
import { translatePin } from '../../src/payment-crypto/pin-block/translation.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import type { Random } from '../../src/ports/random.ts';
import type { Result } from '../../src/reasons/result.ts';
import { cpuMicroseconds } from '../cpu.ts';
import type { BenchReport } from '../group.ts';
import { type Goal, lineOf } from '../lines.ts';
import { compare, interleave } from '../measure.ts';
import { BareAes } from './bare-aes.ts';

const ROUNDS = { rounds: 21, warmUp: 5 };
const GOAL: Goal = { relation: '<=', ratio: 2 };
const INITIAL_KEY_ID = '1234567890123456';
/** Counters with 1, 8 and 16 one-bits: the most that X9.24-3 allows. */
const COUNTERS = { '1-bit': 0x1, '8-bits': 0xff, '16-bits': 0xffff_0000 } as const;
const PAN = '5432109876543219';
const PIN = '1234';
const INITIAL_KEY = { usage: 'B1', algorithm: 'A', modeOfUse: 'X', keyVersion: '00', exportability: 'N' } as const;

/** An operation of the vault beside its bare cryptography. */
export interface KeyOperation {
  readonly name: string;
  readonly unit: string;
  /** Operations of one round. */
  readonly pieces: number;
  readonly ours: () => void;
  readonly yardstick: () => void;
  readonly goal: Goal | null;
}

function accepted<T>(result: Result<T, string>): T {
  if (!result.ok) throw new Error(`an operation of the bench is refused: ${result.reason}`);
  return result.value;
}

const ksnAt = (counter: number): AesKsn =>
  accepted(AesKsn.parse(`${INITIAL_KEY_ID}${counter.toString(16).padStart(8, '0')}`));

function derivations(bdk: SecretKey, bare: BareAes): KeyOperation[] {
  const initialKeyId = accepted(InitialKeyId.parse(INITIAL_KEY_ID));
  const workingKey = (ksn: AesKsn, usage: WorkingKeyUsage): void =>
    accepted(workingKeyFromBdk(bdk, ksn, usage, 'AES128')).wipe();
  const initialKey: KeyOperation = {
    name: 'initial-key',
    unit: 'CPU µs/key; yardstick: its AES block',
    pieces: 10_000,
    ours: () => deriveInitialKey(bdk, initialKeyId).wipe(),
    yardstick: () => void bare.initialKey(),
    goal: GOAL,
  };
  const workingKeys = Object.entries(COUNTERS).flatMap(([bits, counter]): KeyOperation[] => {
    const ksn = ksnAt(counter);
    const ours = (): void => workingKey(ksn, 'pinEncryption');
    const common = { pieces: 1500, ours };
    return [
      {
        ...common,
        name: `working-key-${bits}`,
        unit: 'CPU µs/key; yardstick: its AES blocks, each under the key that the one before made',
        yardstick: () => void bare.workingKey(counter),
        goal: GOAL,
      },
      {
        ...common,
        name: `working-key-${bits}-ready-keys`,
        unit: 'CPU µs/key; yardstick: as many AES blocks under ready KeyObjects',
        yardstick: () => bare.workingKeyOfReadyKeys(counter),
        goal: null,
      },
    ];
  });
  return [initialKey, ...workingKeys];
}

function translations(bdk: SecretKey, bare: BareAes, random: Random): KeyOperation[] {
  const zone = SecretKey.generate('AES', 128, random);
  const pan = accepted(Pan.parse(Buffer.from(PAN)));
  return Object.entries(COUNTERS).map(([bits, counter]) => {
    const ksn = ksnAt(counter);
    const pinKey = (): SecretKey => accepted(workingKeyFromBdk(bdk, ksn, 'pinEncryption', 'AES128'));
    const block = accepted(encipherFormat4(pinKey(), accepted(ClearPin.parse(Buffer.from(PIN))), pan, random));
    return {
      name: `pin-translation-${bits}`,
      unit: 'CPU µs/PIN; yardstick: AES of the working key and of four blocks',
      pieces: 1500,
      ours: () => {
        const key = pinKey();
        accepted(translatePin(block, { format: 4, key, pan }, { format: 4, key: zone, pan }, random));
        key.wipe();
      },
      yardstick: () => void bare.translatePin(counter),
      goal: GOAL,
    };
  });
}

function keyBlocks(kbpk: SecretKey, block: string, wrap: () => string, bare: BareAes): KeyOperation[] {
  const aes = 'AES of its two keys, CMAC and CBC';
  return [
    {
      name: 'key-block-wrap',
      unit: `CPU µs/block (version D); yardstick: ${aes}`,
      pieces: 2000,
      ours: () => void wrap(),
      yardstick: () => bare.wrapKeyBlock(),
      goal: GOAL,
    },
    {
      name: 'key-block-unwrap',
      unit: `CPU µs/block (version D); yardstick: ${aes}`,
      pieces: 2000,
      ours: () => accepted(importKeyBlock(block, kbpk)).key.wipe(),
      yardstick: () => bare.unwrapKeyBlock(),
      goal: GOAL,
    },
  ];
}

/** The vault's operations over symmetric keys, each beside the AES that it needs. */
export function keyOperations(random: Random): readonly KeyOperation[] {
  const bdk = SecretKey.generate('AES', 128, random);
  const kbpk = SecretKey.generate('AES', 256, random);
  const key = SecretKey.generate('AES', 128, random);
  const optional = [{ id: 'IK', initialKeyId: accepted(InitialKeyId.parse(INITIAL_KEY_ID)) }] as const;
  const wrap = (): string =>
    accepted(exportKeyBlock({ version: 'D', attributes: INITIAL_KEY, key, optional }, kbpk, random));
  const block = wrap();
  const { characters } = accepted(parseKeyBlockHeader(block));
  // Two hexadecimal digits a byte; the MAC has 16 bytes.
  const bare = new BareAes({ header: characters, payload: (block.length - characters) / 2 - 16 });
  return [...derivations(bdk, bare), ...translations(bdk, bare, random), ...keyBlocks(kbpk, block, wrap, bare)];
}

/** Measures the primitives in this process. */
export async function measurePrimitives(random: Random, { line, tell }: BenchReport): Promise<void> {
  tell('derivations, PIN translation and key blocks');
  for (const { name, unit, pieces, ours, yardstick, goal } of keyOperations(random)) {
    const repeated = (work: () => void) => () =>
      cpuMicroseconds(pieces, () => {
        for (let piece = 0; piece < pieces; piece += 1) work();
      });
    const rounds = await interleave({ ...ROUNDS, ours: repeated(ours), yardstick: repeated(yardstick) });
    line(lineOf(`keys/${name}`, unit, compare(rounds), goal));
  }
}
