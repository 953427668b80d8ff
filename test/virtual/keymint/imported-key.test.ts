import { createPublicKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { DukptRegisters } from '../../../src/payment-crypto/aes-dukpt/registers.ts';
import { keyCheckValue } from '../../../src/payment-crypto/kcv.ts';
import { InitialKeyId } from '../../../src/payment-crypto/ksn.ts';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import type { KeyAuthorizations } from '../../../src/payment-crypto/secure-key-wrapper/key-description.ts';
import { wrapSecureKey } from '../../../src/payment-crypto/secure-key-wrapper/wrapper.ts';
import { createVirtualFactory } from '../../../src/virtual/keymint/factory.ts';
import { importWrappedKey } from '../../../src/virtual/keymint/imported-key.ts';
import { honestProfiles } from '../../../src/virtual/keymint/profiles.ts';
import { START } from '../../support/clock.ts';
import { SeededRandom } from '../../support/random.ts';
import { unwrap } from '../../support/unwrap.ts';

const random = new SeededRandom('imported');
const keymint = createVirtualFactory({ now: () => START }).provision(honestProfiles(START).tee);
const request = { purpose: 'wrap', algorithm: 'RSA', challenge: Buffer.alloc(32) } as const;
const wrappingKey = keymint.generateKey(request);
const bytes = random.bytes(16);
const initialKey = (): SecretKey => unwrap(SecretKey.parse('AES', bytes));

const ECB: KeyAuthorizations = {
  purpose: [0],
  algorithm: 32,
  keySize: 128,
  blockMode: [1],
  padding: [1],
  noAuthRequired: true,
};

const wrapped = (over: KeyAuthorizations = {}, key: Buffer = bytes, to = wrappingKey): Buffer =>
  unwrap(
    wrapSecureKey(
      {
        wrappingKey: createPublicKey({ key: to.publicKey, format: 'der', type: 'spki' }),
        key: new SecretBytes(key),
        authorizations: { ...ECB, ...over },
      },
      random,
    ),
  );

describe('a key that was imported', () => {
  test('enciphers as the key does, fills registers, and shows its check value', () => {
    const imported = unwrap(importWrappedKey(wrapped(), wrappingKey));
    expect(imported.encipher(Buffer.alloc(32))).toEqual(initialKey().encipher(Buffer.alloc(32)));
    expect(keyCheckValue(imported)).toEqual(keyCheckValue(initialKey()));
    const id = unwrap(InitialKeyId.parse(Buffer.alloc(8, 3)));
    const states = [imported, initialKey()].map((key) =>
      DukptRegisters.load(key, id)
        .serialize()
        .use((state) => Buffer.from(state)),
    );
    expect(states[0]).toEqual(states[1]);
    // Registers are filled once; then the key is deleted.
    expect(() => imported.encipher(Buffer.alloc(16))).toThrow('wiped');
  });

  test.each<[string, KeyAuthorizations, string]>([
    ['another purpose', { purpose: [1] }, 'INCOMPATIBLE_PURPOSE'],
    ['another block mode', { blockMode: [2, 32] }, 'INCOMPATIBLE_BLOCK_MODE'],
    ['another padding', { padding: [64] }, 'INCOMPATIBLE_PADDING_MODE'],
    ['a user who has to confirm', { noAuthRequired: false }, 'KEY_USER_NOT_AUTHENTICATED'],
  ])('for %s does not encipher', (_what, over, error) => {
    const imported = unwrap(importWrappedKey(wrapped(over), wrappingKey));
    expect(() => imported.encipher(Buffer.alloc(16))).toThrow(error);
    expect(() => imported.cipherIn()).toThrow('INCOMPATIBLE_BLOCK_MODE');
  });

  test('shows no bytes', () => {
    const imported = unwrap(importWrappedKey(wrapped(), wrappingKey));
    expect(JSON.stringify(imported)).not.toContain(bytes.toString('hex'));
    expect(Object.values(imported).some((value) => value instanceof Uint8Array)).toBe(false);
  });
});

describe('an import is refused', () => {
  test.each<[string, () => Buffer, string]>([
    ['of nothing', () => Buffer.alloc(0), 'INVALID_ARGUMENT'],
    ['for another wrapping key', () => wrapped({}, bytes, keymint.generateKey(request)), 'VERIFICATION_FAILED'],
    ['of another algorithm', () => wrapped({ algorithm: 128 }), 'UNSUPPORTED_ALGORITHM'],
    ['of a key that is no AES key', () => wrapped({}, Buffer.alloc(15)), 'INVALID_ARGUMENT'],
    ['of a key of another size than it states', () => wrapped({ keySize: 256 }), 'INVALID_ARGUMENT'],
  ])('%s', (_what, wrapper, reason) => {
    expect(importWrappedKey(wrapper(), wrappingKey)).toMatchObject({ ok: false, reason });
  });

  test('where an authorisation was changed on the way', () => {
    const wrapper = wrapped();
    // [4] blockMode SET { 1 }: the additional data of the encryption.
    const at = wrapper.indexOf(Buffer.from('a4053103020101', 'hex'));
    expect(at).toBeGreaterThan(0);
    wrapper.writeUInt8(32, at + 6);
    expect(importWrappedKey(wrapper, wrappingKey)).toMatchObject({ ok: false, reason: 'VERIFICATION_FAILED' });
  });
});
