import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { grantHash } from '../../../src/encoding/contexts.ts';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import { KeyTransport } from '../../../src/gen/tapgate/v1/key_transport.ts';
import type { SignedMessage } from '../../../src/gen/tapgate/v1/signed.ts';
import type { OfferKeysCall } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import type { SameTap, TransactionGrant } from '../../../src/sessions/transaction.ts';
import { offerKeys } from '../../../src/vault/operations/offer-keys.ts';
import { signGrant } from '../../../src/vault/operations/sign-grant.ts';
import { encodeGrant } from '../../../src/wire/transaction.ts';
import {
  ACQUIRER,
  clock,
  FORGETFUL_LEDGER,
  NOW,
  random,
  unwrap,
  type VaultFixture,
  vaultFixture,
} from '../support/keystore.ts';
import { bindingOf, grantCall, testGrant } from '../support/payment.ts';
import { signed, type TestPhone, testPhone } from '../support/phone.ts';

const ports = { random, clock };
let vault: VaultFixture;
let phone: TestPhone;
beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});
afterAll(() => vault.remove());

const offerOf = (over: Partial<OfferKeysCall> = {}): OfferKeysCall => ({
  injectionId: randomUuid(random),
  deviceId: 'device-1',
  acquirer: ACQUIRER,
  sessionKeyThumbprint: phone.thumbprint,
  transport: KeyTransport.KEY_AGREEMENT,
  transportPublicKey: phone.sessionPublicKey,
  nonce: random.bytes(32),
  pinInitialKeyId: phone.pin.initialKeyId,
  accountDataInitialKeyId: phone.accountData.initialKeyId,
  expiresAt: BigInt(NOW.getTime() + 60_000),
  ...over,
});
const offer = (over: Partial<OfferKeysCall> = {}) => offerKeys(offerOf(over), vault.keys, ports, FORGETFUL_LEDGER);
const bindingOfOffer = (over: Partial<OfferKeysCall> = {}): Buffer => unwrap(offer(over)).keyBinding;
const granted = (over: Partial<TransactionGrant> = {}) => ({ ...testGrant(phone), deviceId: 'device-1', ...over });
const signWith = (keyBinding: Buffer, over: Partial<TransactionGrant> = {}) =>
  signGrant({ payload: encodeGrant(granted(over)), keyBinding, parent: undefined }, vault.keys, ports);

describe('a grant for keys that were offered together', () => {
  test('is signed for their device and their acquirer, under any session of it', () => {
    const binding = bindingOfOffer();
    expect(binding).toHaveLength(16);
    expect(signWith(binding).ok).toBe(true);
    expect(signWith(binding, { thumbprint: testPhone(vault).thumbprint }).ok).toBe(true);
    expect(signWith(binding, { pinKsn: phone.pin.ksn(8), accountDataKsn: phone.accountData.ksn(9) }).ok).toBe(true);
  });

  test('is signed after the key that signed their offer is gone', () => {
    const own = vaultFixture();
    const theirs = testPhone(own);
    const call = { ...offerOf(), pinInitialKeyId: theirs.pin.initialKeyId };
    const { keyBinding } = unwrap(
      offerKeys(
        { ...call, accountDataInitialKeyId: theirs.accountData.initialKeyId },
        own.keys,
        ports,
        FORGETFUL_LEDGER,
      ),
    );
    const before = unwrap(own.custodian.list()).find(({ kind, state }) => kind === 'grant' && state === 'active');
    unwrap(
      own.custodian.change(unwrap(own.custodian.generate({ kind: 'grant' }, 'tester')).slot.id, 'active', 'tester'),
    );
    unwrap(own.custodian.change(before?.id ?? '', 'compromised', 'tester'));
    const payload = encodeGrant({ ...testGrant(theirs), deviceId: 'device-1' });
    expect(signGrant({ payload, keyBinding, parent: undefined }, own.keys, ports).ok).toBe(true);
    own.remove();
  });

  test.each<[string, Partial<TransactionGrant>]>([
    ['another acquirer', { acquirer: 'acquirer-b' }],
    ['another device', { deviceId: 'device-2' }],
  ])('is refused for %s', (_what, over) => {
    expect(signWith(bindingOfOffer(), over)).toEqual({ ok: false, reason: 'KEYS_NOT_BOUND' });
  });

  test.each(['pin', 'accountData'] as const)('is refused with the %s key of another offer', (domain) => {
    const id = Buffer.from(phone[domain].initialKeyId);
    id.writeUInt32BE(0x777, 4);
    const name = domain === 'pin' ? 'pinKsn' : 'accountDataKsn';
    const refused = signWith(bindingOfOffer(), { [name]: Buffer.concat([id, Buffer.of(0, 0, 0, 7)]) });
    expect(refused).toEqual({ ok: false, reason: 'KEYS_NOT_BOUND' });
  });

  test('is refused without the binding, with part of it, with more, or with any bit of it changed', () => {
    const binding = bindingOfOffer();
    const bent = [Buffer.alloc(0), binding.subarray(0, 15), Buffer.concat([binding, Buffer.of(0)]), Buffer.alloc(16)];
    for (let bit = 0; bit < 128; bit += 1) {
      const changed = Buffer.from(binding);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      bent.push(changed);
    }
    for (const each of bent) expect(signWith(each)).toEqual({ ok: false, reason: 'KEYS_NOT_BOUND' });
  });

  test('is refused with a binding of another vault', () => {
    const other = vaultFixture();
    expect(signWith(bindingOf(other, granted()))).toEqual({ ok: false, reason: 'KEYS_NOT_BOUND' });
    other.remove();
  });
});

test.each(['', 'Acquirer A', 'a'.repeat(300)])('keys are not offered for the acquirer %j', (acquirer) => {
  expect(offer({ acquirer })).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail: 'acquirer' });
});

test('two vaults that share a keystore accept the same binding, and one that is told a name of no zone makes none for it', () => {
  expect(bindingOfOffer()).toEqual(bindingOfOffer());
  expect(bindingOfOffer({ acquirer: 'acquirer-b' })).not.toEqual(bindingOfOffer());
});

describe('the grant of a tap that is paid again', () => {
  const hash = Buffer.alloc(32, 7);
  const sign = (grant: TransactionGrant): SignedMessage =>
    signed(CONTEXT.grant, encodeGrant(grant), vault.keys.grant, vault.keys.grant.keyId);
  let root: TransactionGrant;
  beforeAll(() => {
    root = granted();
  });
  const tapOf = (parent: TransactionGrant, over: Partial<SameTap> = {}): SameTap => ({
    parentId: parent.id,
    rootId: parent.sameTap?.rootId ?? parent.id,
    rootHash: parent.sameTap?.rootHash ?? grantHash(encodeGrant(parent)),
    hash,
    attempt: (parent.sameTap?.attempt ?? 1) + 1,
    ...over,
  });
  const child = (parent: TransactionGrant, over: Partial<TransactionGrant> = {}, tap: Partial<SameTap> = {}) => ({
    ...parent,
    id: randomUuid(random),
    pinKsn: phone.pin.ksn(parent.pinKsn.readUInt32BE(8) + 1),
    sameTap: tapOf(parent, tap),
    ...over,
  });
  const signChild = (grant: TransactionGrant, parent: TransactionGrant) =>
    signGrant({ ...grantCall(vault, grant), parent: sign(parent) }, vault.keys, ports);

  test('is signed where it repeats the one before it, and so is the next', () => {
    const second = child(root);
    expect(signChild(second, root).ok).toBe(true);
    expect(signChild(child(second), second).ok).toBe(true);
  });

  test.each<[string, () => TransactionGrant]>([
    ['another acquirer', () => child(root, { acquirer: 'acquirer-b' })],
    ['another device', () => child(root, { deviceId: 'device-2' })],
    ['another session key', () => child(root, { thumbprint: 'A'.repeat(43) })],
    ['another amount', () => child(root, { terms: { ...root.terms, amountMinor: 12_346n } })],
    ['another order', () => child(root, { terms: { ...root.terms, order: 'order-78' } })],
    ['account data at another counter', () => child(root, { accountDataKsn: phone.accountData.ksn(8) })],
    ['the same PIN counter', () => child(root, { pinKsn: phone.pin.ksn(7) })],
    ['an earlier PIN counter', () => child(root, { pinKsn: phone.pin.ksn(6) })],
    ['another parent', () => child(root, {}, { parentId: randomUuid(random) })],
    ['another first grant', () => child(root, {}, { rootId: randomUuid(random) })],
    ['another hash of the first grant', () => child(root, {}, { rootHash: Buffer.alloc(32, 9) })],
    ['no hash of the first grant', () => child(root, {}, { rootHash: null })],
    ['a try that is left out', () => child(root, {}, { attempt: 3 })],
  ])('is refused for %s', (_what, grant) => {
    expect(signChild(grant(), root)).toMatchObject({ ok: false, reason: 'REPEAT_NOT_ALLOWED' });
  });

  test.each<[string, Partial<SameTap>]>([
    ['another tap', { hash: Buffer.alloc(32, 8) }],
    ['another first grant', { rootId: '7b0b6ac1-8f0e-4a11-9c7e-6a9b8f2f3c11' }],
    ['another hash of the first grant', { rootHash: Buffer.alloc(32, 9) }],
    ['the one before it as the first', { rootHash: null }],
  ])('after a second one, is refused for %s', (_what, tap) => {
    const second = child(root);
    expect(signChild(child(second, {}, tap), second)).toMatchObject({ ok: false, reason: 'REPEAT_NOT_ALLOWED' });
  });

  test('is refused without its parent, after one of nobody, and after one that does not name its first', () => {
    const grant = child(root);
    expect(signGrant(grantCall(vault, grant), vault.keys, ports)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
    const forged = signed(CONTEXT.grant, encodeGrant(root), phone.sessionKey, vault.keys.grant.keyId);
    const call = { ...grantCall(vault, grant), parent: forged };
    expect(signGrant(call, vault.keys, ports)).toMatchObject({ reason: 'GRANT_UNKNOWN' });
    const unnamed = child(root, {}, { rootHash: null });
    expect(signChild(child(unnamed, {}, { rootHash: null }), unnamed)).toMatchObject({ reason: 'REPEAT_NOT_ALLOWED' });
    expect(signChild(root, root)).toMatchObject({ reason: 'MALFORMED_MESSAGE', detail: 'parent' });
  });
});
