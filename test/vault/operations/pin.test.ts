import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import type { SignedMessage } from '../../../src/gen/tapgate/v1/signed.ts';
import type { CheckPinBlockCall } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import type { Reason } from '../../../src/reasons/catalogue.ts';
import { checkPinBlock } from '../../../src/vault/operations/check-pin-block.ts';
import { shuffleLayout } from '../../../src/vault/operations/shuffle-layout.ts';
import { clock, NOW, random, type VaultFixture, vaultFixture } from '../support/keystore.ts';
import { CARD_TLV, encipherPin, encryptAccountData, PIN, signed, type TestPhone, testPhone } from '../support/phone.ts';
import { type PinCheckBend, testPinCheck } from '../support/pin-check.ts';

let vault: VaultFixture;
let phone: TestPhone;
beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});
afterAll(() => vault.remove());

describe('a shuffled layout', () => {
  test('has every digit once', () => {
    for (let count = 0; count < 200; count += 1) {
      expect([...shuffleLayout(random).layout].sort().join('')).toBe('0123456789');
    }
  });

  test('puts every digit in every place equally often', () => {
    const rounds = 20_000;
    const places = Array.from({ length: 10 }, () => new Array<number>(10).fill(0));
    // A linear congruential generator: the same draws in every run.
    let state = 1n;
    const seeded = {
      bytes: (length: number): Buffer =>
        Buffer.from(
          Array.from({ length }, () => {
            state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) % 2n ** 64n;
            return Number(state >> 56n);
          }),
        ),
    };
    for (let round = 0; round < rounds; round += 1) {
      for (const [place, digit] of [...shuffleLayout(seeded).layout].entries()) {
        const row = places[place];
        if (row !== undefined) row[Number(digit)] = (row[Number(digit)] ?? 0) + 1;
      }
    }
    // 81 degrees of freedom: chi-squared is above 130 once in 2 000 runs.
    const expected = rounds / 10;
    const chi = places.flat().reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chi).toBeLessThan(130);
  });
});

describe('a PIN block', () => {
  const ports = { random, clock };
  const check = (bend: PinCheckBend = {}) => checkPinBlock(testPinCheck(vault, phone, bend), vault.keys, ports);

  test('of every allowed length passes, and the answer says nothing of it', () => {
    for (let length = 4; length <= 12; length += 1) {
      const block = encipherPin(phone, 7, PIN.slice(0, length));
      const grant = { minimumLength: length, maximumLength: length };
      expect(check({ block, grant })).toEqual({ ok: true, value: {} });
    }
  });

  const resigned = (call: CheckPinBlockCall, change: (grant: SignedMessage) => SignedMessage): CheckPinBlockCall => ({
    ...call,
    pinGrant: call.pinGrant && change(call.pinGrant),
  });

  test.each<[string, Reason, () => PinCheckBend]>([
    ['for another PAN', 'PIN_BLOCK_MALFORMED', () => ({ block: encipherPin(phone, 7, PIN, '4111111111111111') })],
    ['under another counter', 'PIN_BLOCK_MALFORMED', () => ({ block: encipherPin(phone, 8) })],
    ['at a counter that none may use', 'PIN_BLOCK_MALFORMED', () => ({ transaction: { pinKsn: Buffer.alloc(12) } })],
    [
      'at a KSN of the other domain',
      'PIN_BLOCK_MALFORMED',
      () => ({ transaction: { pinKsn: phone.accountData.ksn(7) } }),
    ],
    ['without its transaction grant', 'MALFORMED_MESSAGE', () => ({ call: (call) => ({ ...call, grant: undefined }) })],
    ['of a PIN grant for another grant', 'PIN_GRANT_MISMATCH', () => ({ grant: { grantId: randomUuid(random) } })],
    [
      'of a PIN grant for another session',
      'PIN_GRANT_MISMATCH',
      () => ({ grant: { thumbprint: testPhone(vault).thumbprint } }),
    ],
    ['of a PIN grant for another counter', 'PIN_GRANT_MISMATCH', () => ({ grant: { pinKsn: phone.pin.ksn(8) } })],
    [
      'of a PIN grant that outlives its grant',
      'PIN_GRANT_MISMATCH',
      () => ({ grant: { expiresAt: new Date(NOW.getTime() + 120_001) } }),
    ],
    ['where its grant allows no PIN', 'PIN_NOT_EXPECTED', () => ({ transaction: { pinAllowed: false } })],
    [
      'with account data at another counter than granted',
      'PIN_GRANT_MISMATCH',
      () => ({ transaction: { accountDataKsn: phone.accountData.ksn(8) } }),
    ],
    [
      'with account data that was sealed for another grant',
      'ACCOUNT_DATA_INVALID',
      () => ({ boundTo: Buffer.alloc(32, 3) }),
    ],
    [
      'with a transaction grant that the caller has changed',
      'GRANT_UNKNOWN',
      () => ({
        call: (call) => ({
          ...call,
          grant: call.grant && { ...call.grant, payload: Buffer.concat([call.grant.payload, Buffer.of(0x38, 0x04)]) },
        }),
      }),
    ],
    ['of 8 bytes', 'PIN_BLOCK_MALFORMED', () => ({ block: Buffer.alloc(8) })],
    ['of no bytes', 'PIN_BLOCK_MALFORMED', () => ({ block: Buffer.alloc(0) })],
    [
      'too short for its grant',
      'PIN_BLOCK_MALFORMED',
      () => ({ block: encipherPin(phone, 7, '1234'), grant: { minimumLength: 5 } }),
    ],
    ['too long for its grant', 'PIN_BLOCK_MALFORMED', () => ({ grant: { maximumLength: 11 } })],
    ['without account data', 'MALFORMED_MESSAGE', () => ({ call: (call) => ({ ...call, accountData: undefined }) })],
    ['without a PIN grant', 'MALFORMED_MESSAGE', () => ({ call: (call) => ({ ...call, pinGrant: undefined }) })],
    ['after its grant has expired', 'GRANT_EXPIRED', () => ({ grant: { expiresAt: NOW } })],
    [
      'under a grant that the caller has changed',
      'GRANT_UNKNOWN',
      () => ({
        call: (call) =>
          resigned(call, (grant) => ({
            ...grant,
            payload: Buffer.concat([grant.payload, Buffer.from('3804', 'hex')]),
          })),
      }),
    ],
    [
      'under a grant of another key',
      'GRANT_UNKNOWN',
      () => ({ call: (call) => resigned(call, (grant) => ({ ...grant, keyId: vault.keys.receipt.keyId })) }),
    ],
    [
      'under a transaction grant in the place of the PIN grant',
      'GRANT_UNKNOWN',
      () => ({
        call: (call) =>
          resigned(call, ({ payload }) => signed(CONTEXT.grant, payload, vault.keys.grant, vault.keys.grant.keyId)),
      }),
    ],
    [
      "with another tap's account data",
      'PIN_GRANT_MISMATCH',
      () => ({ accountData: encryptAccountData(phone, random.bytes(32), 7) }),
    ],
    ['with account data that is no card data', 'ACCOUNT_DATA_INVALID', () => ({ cardTlv: CARD_TLV.subarray(1) })],
  ])('%s is refused: %s', (_, reason, bend) => {
    expect(check(bend())).toMatchObject({ ok: false, reason });
  });

  test('with any bit changed is not taken for another PIN, but for none, as a rule', () => {
    const block = encipherPin(phone, 7);
    let taken = 0;
    for (let bit = 0; bit < 128; bit += 1) {
      const changed = Buffer.from(block);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      if (check({ block: changed }).ok) taken += 1;
    }
    // Eight bytes of a changed block are random: one in about 10^5 looks like a PIN.
    expect(taken).toBeLessThanOrEqual(1);
  });

  test('of any form is refused without an exception', () => {
    const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((value) => Buffer.from(value));
    const accountData = fc.record({ ksn: bytes(13), initializationVector: bytes(13), ciphertext: bytes(600) });
    fc.assert(
      fc.property(bytes(40), bytes(13), accountData, (block, pinKsn, data) => {
        expect(check({ block, grant: { pinKsn }, accountData: data }).ok).toBe(false);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
