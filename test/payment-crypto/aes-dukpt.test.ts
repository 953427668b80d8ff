import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { derivationData, walkTo } from '../../src/payment-crypto/aes-dukpt/derivation.ts';
import {
  deriveInitialKey,
  deriveTransactionKey,
  deriveUpdateKey,
  deriveWorkingKey,
  workingKeyFromBdk,
  workingKeyFromInitialKey,
} from '../../src/payment-crypto/aes-dukpt/host.ts';
import { KEY_TYPES, KEY_USAGES, type WorkingKeyUsage } from '../../src/payment-crypto/aes-dukpt/key-type.ts';
import { DukptRegisters } from '../../src/payment-crypto/aes-dukpt/registers.ts';
import { AES_COUNTER, isTransactionCounter, nextCounter } from '../../src/payment-crypto/dukpt-counter.ts';
import { AesKsn } from '../../src/payment-crypto/ksn.ts';
import { SecretWiped } from '../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { accepted, hex, ikid, key, ksn, reasonOf, seededRandom } from './support.ts';

// ANSI X9.24-3:2017 supplement, AES-128 and AES-256.
const BDK = 'FEDCBA9876543210F1F1F1F1F1F1F1F1';
const IKID = '1234567890123456';
const INITIAL_KEY = '1273671EA26AC29AFA4D1084127652A1';
const TRANSACTIONS = [
  ['00000001', '4F21B565BAD9835E112B6465635EAE44', 'AF8CB133A78F8DC2D1359F18527593FB'],
  ['00000002', '2F34D68DE10F68D38091A73B9E7C437C', 'D30BDC73EC9714B000BEC66BDB7B6D09'],
  ['00000003', '031504E530365CF81264238540518318', '7D69F01F3B45449F62C7816ECE723268'],
  ['00000004', '0EEFC7ADA628BA68878DA9165A8A1887', '91A0588318EC2673214271F70137896E'],
  ['00000005', 'C2A7AC328A5DA2D6002D62465BFC028B', '35A43BC9EFEB09C756204B57E3FB7D4D'],
  ['00000006', 'D30F7D9351DA58448A2F5E92B4EE3B7D', '02DCC6CD1201A3A2CA7099559C862123'],
  ['00000007', 'A8253CEED9AC042C54F75D35C8352278', '6ECF912F3B18CA11A7A27BB60705FD09'],
  ['00000008', '718EE6CF0B27E53D5F7AF99C4D8146A2', '4D9DF3FBEE3448FC3E676D04320A90F5'],
  ['0001FFFE', 'E21E8C8D347F8561A2BE752DAA85A111', undefined],
  ['00020000', 'F7AE9025468A25D37B7249CFFED224C8', undefined],
  ['FFFF0000', 'F6BA59389BD14A9855BE9727E7C52E3C', undefined],
] as const;
const BDK_256 = BDK + BDK;
const INITIAL_KEY_256 = 'CE9CE0C101D1138F97FB6CAD4DF045A7083D4EAE2D35A31789D01CCF0949550F';

const legalCounter = fc
  .tuple(fc.integer(), fc.integer())
  .map(([left, right]) => (left & right) >>> 0)
  .filter((counter) => isTransactionCounter(AES_COUNTER, counter));

function keyAt(bdk: SecretKey, id: string, counter: number): SecretKey {
  return deriveTransactionKey(deriveInitialKey(bdk, ikid(id)), accepted(AesKsn.of(ikid(id), counter)));
}

describe('host derivation', () => {
  test('gives the initial keys of the standard', () => {
    expect(hex(deriveInitialKey(key('AES', BDK), ikid(IKID)))).toBe(INITIAL_KEY);
    expect(hex(deriveInitialKey(key('AES', BDK_256), ikid(IKID)))).toBe(INITIAL_KEY_256);
  });

  test.each(TRANSACTIONS)('gives the keys of the standard at counter %s', (counter, derivationKey, pinKey) => {
    const at = ksn(IKID + counter);
    const initialKey = key('AES', INITIAL_KEY);
    expect(hex(deriveTransactionKey(initialKey, at))).toBe(derivationKey);
    if (pinKey !== undefined) {
      expect(hex(accepted(workingKeyFromInitialKey(initialKey, at, 'pinEncryption', 'AES128')))).toBe(pinKey);
      expect(hex(accepted(workingKeyFromBdk(key('AES', BDK), at, 'pinEncryption', 'AES128')))).toBe(pinKey);
    }
  });

  test('gives the update keys of the standard', () => {
    const initialKey = key('AES', INITIAL_KEY);
    const updateKey = (type: 'AES128' | 'TDES2' | 'TDES3') =>
      hex(accepted(deriveUpdateKey(initialKey, ikid(IKID), type)));
    expect(updateKey('AES128')).toBe('9A9770AEE1ACD1B13473D0463A1883B9');
    expect(updateKey('TDES2')).toBe('4744A5ECBC62B5C4BB76FBEAE1E244A3');
    expect(updateKey('TDES3')).toBe('AF82BE8533CFCA526DA71708667AD0BBC7A7517504C78C8A');
  });

  test('never derives a key that claims more strength than its parent', () => {
    const at = ksn(`${IKID}00000001`);
    for (const [bits, allowed] of [
      [128, ['TDES2', 'TDES3', 'AES128', 'HMAC128']],
      [192, ['TDES2', 'TDES3', 'AES128', 'AES192', 'HMAC128', 'HMAC192']],
      [256, Object.keys(KEY_TYPES)],
    ] as const) {
      const parent = SecretKey.generate('AES', bits, seededRandom('parent'));
      for (const type of Object.keys(KEY_TYPES) as (keyof typeof KEY_TYPES)[]) {
        const expected = (allowed as readonly string[]).includes(type) ? 'accepted' : 'KEY_STRONGER_THAN_PARENT';
        expect(reasonOf(deriveWorkingKey(parent, at, 'macGeneration', type))).toBe(expected);
        expect(reasonOf(deriveUpdateKey(parent, ikid(IKID), type))).toBe(expected);
      }
    }
  });

  test('every usage and type has derivation data of its own', () => {
    const seen = new Set<string>();
    for (const usage of Object.keys(KEY_USAGES) as (keyof typeof KEY_USAGES)[]) {
      for (const type of Object.keys(KEY_TYPES) as (keyof typeof KEY_TYPES)[]) {
        seen.add(derivationData(usage, type, { high: 1, low: 2 }).toString('hex'));
      }
    }
    expect(seen.size).toBe(Object.keys(KEY_USAGES).length * Object.keys(KEY_TYPES).length);
  });

  test('a working key has the algorithm and size of its type', () => {
    const parent = SecretKey.generate('AES', 256, seededRandom('parent'));
    const usage: WorkingKeyUsage = 'dataEncryptionBoth';
    for (const [type, form] of Object.entries(KEY_TYPES)) {
      const derived = accepted(deriveWorkingKey(parent, ksn(`${IKID}00000001`), usage, type as keyof typeof KEY_TYPES));
      expect([derived.algorithm, derived.bits]).toEqual([form.algorithm, form.bits]);
    }
  });

  test('leaves the keys that it was given usable, and refuses others than AES', () => {
    const initialKey = key('AES', INITIAL_KEY);
    deriveTransactionKey(initialKey, ksn(`${IKID}0001FFFE`)).wipe();
    expect(hex(initialKey)).toBe(INITIAL_KEY);
    expect(() => deriveInitialKey(key('TDES', BDK), ikid(IKID))).toThrow(TypeError);
  });
});

/** A device's state at any counter, built from the host's walk: what its registers must hold there. */
function stateAt(initialKey: SecretKey, counter: number): Buffer {
  const lowest = 31 - Math.clz32(counter & -counter);
  const keys: Buffer[] = [];
  for (let position = lowest; position < 32; position++) {
    const set = ((counter >>> position) & 1) === 1;
    if (set && position !== lowest) continue;
    const above = position === 31 ? 0 : (counter >>> (position + 1)) * 2 ** (position + 1);
    const held = walkTo(initialKey, ikid(IKID).derivationId, 0, above + 2 ** position);
    keys.push(held.use((bytes) => Buffer.from(bytes)));
  }
  const header = Buffer.alloc(14);
  header.writeUInt8(1, 0);
  header.writeUInt8(initialKey.length, 1);
  ikid(IKID).toBytes().copy(header, 2);
  header.writeUInt32BE(counter, 10);
  return Buffer.concat([header, ...keys]);
}

describe('device registers', () => {
  test.each([128, 192, 256])('agree with the host for the first 600 transactions (AES-%i)', (bits) => {
    const bdk = SecretKey.generate('AES', bits, seededRandom('bdk'));
    const initialKey = deriveInitialKey(bdk, ikid(IKID));
    const registers = DukptRegisters.load(deriveInitialKey(bdk, ikid(IKID)), ikid(IKID));
    for (let count = 1; count <= 600; count++) {
      const transaction = accepted(registers.advance());
      expect(transaction.ksn.counter).toBe(count);
      const device = accepted(transaction.workingKey('pinEncryption', 'AES128'));
      const host = accepted(workingKeyFromInitialKey(initialKey, transaction.ksn, 'pinEncryption', 'AES128'));
      if (!device.equals(host)) throw new Error(`differs at counter ${count}`);
    }
  });

  test('agree with the host from any counter on', () => {
    const initialKey = key('AES', INITIAL_KEY);
    fc.assert(
      fc.property(legalCounter, (counter) => {
        const registers = accepted(DukptRegisters.parse(stateAt(initialKey, counter)));
        let expected: number | undefined = counter;
        for (let step = 0; step < 12 && expected !== undefined; step++) {
          const transaction = accepted(registers.advance());
          if (transaction.ksn.counter !== expected) return false;
          const device = accepted(transaction.workingKey('macGeneration', 'AES128'));
          const host = accepted(workingKeyFromInitialKey(initialKey, transaction.ksn, 'macGeneration', 'AES128'));
          if (!device.equals(host)) return false;
          expected = nextCounter(AES_COUNTER, expected);
        }
        return true;
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  test.each([0x0001_fff0, 0x0001_fffe, 0xfffd_8000, 0xfffe_8000])(
    'hold what the host derives across the skips after counter %p',
    (start) => {
      const initialKey = key('AES', INITIAL_KEY);
      const registers = accepted(DukptRegisters.parse(stateAt(initialKey, start)));
      for (let step = 0; step < 40 && registers.nextKsn !== undefined; step++) {
        accepted(registers.advance()).wipe();
        const next = registers.nextKsn;
        const state = registers.serialize().use((bytes) => Buffer.from(bytes));
        expect(next === undefined || state.equals(stateAt(initialKey, next.counter))).toBe(true);
      }
    },
  );

  test('wipe the initial key once they are filled', () => {
    const initialKey = key('AES', INITIAL_KEY);
    DukptRegisters.load(initialKey, ikid(IKID));
    expect(() => initialKey.length).toThrow(SecretWiped);
  });

  test('keep nothing of a key that was taken out, nor of those before it', () => {
    const bdk = key('AES', BDK);
    const registers = DukptRegisters.load(key('AES', INITIAL_KEY), ikid(IKID));
    const used: Buffer[] = [Buffer.from(INITIAL_KEY, 'hex')];
    for (let count = 1; count <= 70; count++) {
      const transaction = accepted(registers.advance());
      used.push(keyAt(bdk, IKID, transaction.ksn.counter).use((bytes) => Buffer.from(bytes)));
      const state = registers.serialize().use((bytes) => Buffer.from(bytes));
      expect(used.some((secret) => state.includes(secret))).toBe(false);
    }
  });

  test('have moved on before the transaction is used: a state kept then repeats no counter', () => {
    const registers = DukptRegisters.load(key('AES', INITIAL_KEY), ikid(IKID));
    const first = accepted(registers.advance());
    const kept = registers.serialize().use((bytes) => Buffer.from(bytes));
    first.wipe();
    const restored = accepted(DukptRegisters.parse(kept));
    expect(accepted(restored.advance()).ksn.counter).toBe(2);
    expect(() => first.workingKey('pinEncryption', 'AES128')).toThrow(SecretWiped);
  });

  test('end after the last counter, for good', () => {
    const registers = accepted(DukptRegisters.parse(stateAt(key('AES', INITIAL_KEY), 0xffff_0000)));
    const last = accepted(registers.advance());
    expect(hex(accepted(last.workingKey('pinEncryption', 'AES128')))).toBe(
      hex(accepted(workingKeyFromBdk(key('AES', BDK), ksn(`${IKID}FFFF0000`), 'pinEncryption', 'AES128'))),
    );
    expect(reasonOf(registers.advance())).toBe('DUKPT_EXHAUSTED');
    const kept = registers.serialize().use((bytes) => Buffer.from(bytes));
    const restored = accepted(DukptRegisters.parse(kept));
    expect(reasonOf(restored.advance())).toBe('DUKPT_EXHAUSTED');
    expect(reasonOf(restored.updateKey('AES128'))).toBe('DUKPT_EXHAUSTED');
    expect(restored.nextKsn).toBeUndefined();
  });

  test('give the update key at any counter, and no stronger one', () => {
    const initialKey = key('AES', INITIAL_KEY);
    const expected = '9A9770AEE1ACD1B13473D0463A1883B9';
    fc.assert(
      fc.property(fc.oneof(legalCounter, fc.constantFrom(1, 0x8000_0000, 0xfffe_8000, 0xffff_0000)), (counter) => {
        const registers = accepted(DukptRegisters.parse(stateAt(initialKey, counter)));
        return hex(accepted(registers.updateKey('AES128'))) === expected && !registers.updateKey('AES256').ok;
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  test('hold nothing after wipe or at the end of a using block', () => {
    for (const end of ['wipe', Symbol.dispose] as const) {
      const registers = DukptRegisters.load(key('AES', INITIAL_KEY), ikid(IKID));
      expect(registers.initialKeyId.equals(ikid(IKID))).toBe(true);
      const transaction = accepted(registers.advance());
      registers[end]();
      transaction[end]();
      expect(reasonOf(registers.advance())).toBe('DUKPT_EXHAUSTED');
      expect(() => transaction.workingKey('pinEncryption', 'AES128')).toThrow(SecretWiped);
    }
  });

  test('read any state or refuse it, and write again exactly what they read', () => {
    const genuine = stateAt(key('AES', INITIAL_KEY), 0x0001_0005);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 600 }),
          fc.integer({ min: 0, max: 13 }).chain((at) =>
            fc.integer({ min: 0, max: 255 }).map((byte) => {
              const changed = Uint8Array.from(genuine);
              changed[at] = byte;
              return changed;
            }),
          ),
        ),
        (state) => {
          const read = DukptRegisters.parse(state);
          return !read.ok || read.value.serialize().use((bytes) => Buffer.from(bytes).equals(state));
        },
      ),
      { seed: 1, numRuns: 1000 },
    );
  });
});
