import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DukptRegisters } from '../../../src/payment-crypto/aes-dukpt/registers.ts';
import { InitialKeyId } from '../../../src/payment-crypto/ksn.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import {
  type PhoneKeys,
  type PhoneRegisters,
  placeInFile,
  placeInMemory,
  SealedRegisters,
} from '../../../src/virtual/phone/registers.ts';
import { SeededRandom } from '../../support/random.ts';
import { unwrap } from '../../support/unwrap.ts';

const random = new SeededRandom('registers');
const NONE: PhoneRegisters = { keys: null, pending: null };

const storeKey = (): SecretKey => SecretKey.generate('AES', 256, random);

function registers(): DukptRegisters {
  const id = unwrap(InitialKeyId.parse(random.bytes(8)));
  return DukptRegisters.load(SecretKey.generate('AES', 128, random), id);
}

const someKeys = (): PhoneKeys => ({ pin: registers(), accountData: registers() });

const somePending = () => ({
  ...someKeys(),
  injectionId: 'injection-1',
  pinProof: random.bytes(16),
  accountDataProof: random.bytes(16),
});

const ksnsOf = (keys: PhoneKeys | null) =>
  keys === null ? null : [keys.pin.nextKsn?.toString(), keys.accountData.nextKsn?.toString()];

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tapgate-registers-'));
  path = join(folder, 'registers');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('registers that are kept', () => {
  test('are there for the next process: active keys, pending keys and their proofs', async () => {
    const key = storeKey();
    const kept = { keys: someKeys(), pending: somePending() };
    await new SealedRegisters(key, random, placeInFile(path)).keep(kept);
    const recalled = await new SealedRegisters(key, random, placeInFile(path)).load();
    expect(ksnsOf(recalled.keys)).toEqual(ksnsOf(kept.keys));
    expect(ksnsOf(recalled.pending)).toEqual(ksnsOf(kept.pending));
    const { injectionId, pinProof, accountDataProof } = kept.pending;
    expect(recalled.pending).toMatchObject({ injectionId, pinProof, accountDataProof });
  });

  test.each<[string, () => PhoneRegisters]>([
    ['no keys at all', () => NONE],
    ['active keys alone', () => ({ keys: someKeys(), pending: null })],
    ['pending keys alone', () => ({ keys: null, pending: somePending() })],
  ])('may be %s', async (_what, make) => {
    const kept = make();
    const sealed = new SealedRegisters(storeKey(), random, placeInMemory());
    await sealed.keep(kept);
    const { keys, pending } = await sealed.load();
    expect([ksnsOf(keys), ksnsOf(pending)]).toEqual([ksnsOf(kept.keys), ksnsOf(kept.pending)]);
  });

  test('are none where nothing was kept', async () => {
    expect(await new SealedRegisters(storeKey(), random, placeInFile(path)).load()).toEqual(NONE);
  });

  test('never go back, however many are kept at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), async (times) => {
        const sealed = new SealedRegisters(storeKey(), random, placeInFile(path));
        const keys = someKeys();
        const writes: Promise<void>[] = [];
        for (let count = 0; count < times; count += 1) {
          unwrap(keys.pin.advance());
          writes.push(sealed.keep({ keys, pending: null }));
        }
        const last = ksnsOf(keys);
        await Promise.all(writes);
        expect(ksnsOf((await sealed.load()).keys)).toEqual(last);
      }),
      { seed: 7, numRuns: 10 },
    );
  });

  test('hold no key in the clear, in a file that nobody else reads', async () => {
    const initialKey = SecretKey.generate('AES', 128, random);
    const keys = {
      pin: DukptRegisters.load(initialKey, unwrap(InitialKeyId.parse(Buffer.alloc(8)))),
      accountData: registers(),
    };
    const state = keys.pin.serialize().use((bytes) => Buffer.from(bytes));
    await new SealedRegisters(storeKey(), random, placeInFile(path)).keep({ keys, pending: null });
    const file = await readFile(path);
    for (let at = 14; at + 16 <= state.length; at += 16) expect(file.includes(state.subarray(at, at + 16))).toBe(false);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['registers']);
  });

  test('stay as they were where the next ones cannot be written, and the writer is told', async () => {
    const key = storeKey();
    const place = placeInMemory();
    const sealed = new SealedRegisters(key, random, place);
    const keys = someKeys();
    await sealed.keep({ keys, pending: null });
    const before = ksnsOf(keys);
    const failing = new SealedRegisters(key, random, { ...place, replace: () => Promise.reject(new Error('full')) });
    unwrap(keys.pin.advance());
    await expect(failing.keep({ keys, pending: null })).rejects.toThrow('full');
    expect(ksnsOf((await sealed.load()).keys)).toEqual(before);
  });
});

describe('registers do not open', () => {
  test('under the key of another key store', async () => {
    await new SealedRegisters(storeKey(), random, placeInFile(path)).keep({ keys: someKeys(), pending: null });
    await expect(new SealedRegisters(storeKey(), random, placeInFile(path)).load()).rejects.toThrow('do not open');
  });

  test('where one bit is changed, a byte is missing, or there is nothing', async () => {
    const key = storeKey();
    const sealed = new SealedRegisters(key, random, placeInFile(path));
    await sealed.keep({ keys: someKeys(), pending: null });
    const honest = await readFile(path);
    const flipped = (at: number): Buffer => {
      const bytes = Buffer.from(honest);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      return bytes;
    };
    const damaged = [flipped(0), flipped(20), flipped(honest.length - 1), honest.subarray(0, -1), Buffer.alloc(0)];
    for (const bytes of [...damaged, Buffer.alloc(20_000)]) {
      await writeFile(path, bytes);
      await expect(sealed.load()).rejects.toThrow('do not open');
    }
  });
});
