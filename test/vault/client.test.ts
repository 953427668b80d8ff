import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verifyEs256 } from '../../src/encoding/jws.ts';
import { CONTEXT, verifySigned } from '../../src/encoding/signed.ts';
import { RECEIPT_TYPE } from '../../src/gate/receipt.ts';
import { randomUuid } from '../../src/ports/random.ts';
import { ok } from '../../src/reasons/result.ts';
import { DEVICE_TOKEN_PROFILE, DEVICE_TOKEN_TYPE } from '../../src/tokens/claims.ts';
import { VaultClient } from '../../src/vault/client.ts';
import { changeKeystore } from '../../src/vault/keystore/change.ts';
import { startVaultServer, type VaultServer } from '../../src/vault/server.ts';
import { accountDataFromWire } from '../../src/wire/transaction.ts';
import { APPRAISED_CLAIMS } from '../support/tokens.ts';
import {
  ACQUIRER,
  clock,
  NOW,
  random,
  temporaryFolder,
  unwrap,
  type VaultFixture,
  vaultFixture,
} from './support/keystore.ts';
import { bindingOf, testGrant, testPayment } from './support/payment.ts';
import { encipherPin, type TestPhone, testPhone } from './support/phone.ts';
import { testPinCheck, testPinGrant } from './support/pin-check.ts';

let fixture: VaultFixture;
let phone: TestPhone;
let folder: ReturnType<typeof temporaryFolder>;
let server: VaultServer;
let vault: VaultClient;
beforeAll(async () => {
  fixture = vaultFixture();
  phone = testPhone(fixture);
  folder = temporaryFolder();
  const socket = join(folder.path, 'run', 'vault.sock');
  const options = { socket, custodian: fixture.custodian, ports: { random, clock }, log: () => undefined };
  server = unwrap(await startVaultServer(options));
  vault = new VaultClient({ socket, random });
});
afterAll(() => {
  vault.close();
  server.stop();
  folder.remove();
  fixture.remove();
});

test('describe: keys by purpose, endorsements, BDK ids, acquirers', async () => {
  const described = unwrap(await vault.describe());
  expect(described.signingKeys.map(({ purpose, keyId }) => [purpose, keyId])).toEqual([
    ['device-token', fixture.keys.deviceToken.keyId],
    ['receipt', fixture.keys.receipt.keyId],
    ['audit', fixture.keys.audit?.keyId],
    ['grant', fixture.keys.grant.keyId],
  ]);
  expect(
    described.signingKeys.every(({ key, publicKey }) => publicKey.equals(key.export({ format: 'der', type: 'spki' }))),
  ).toBe(true);
  expect(described.serviceKeys).toHaveLength(1);
  expect(described.anchor).toEqual(fixture.keys.anchor);
  expect(described.bdkIds).toEqual({ pin: fixture.keys.pinBdk.id, accountData: fixture.keys.accountDataBdk.id });
  expect(described.acquirers).toEqual(['acquirer-a']);
});

test('listKeys: of a keystore of many acquirers all slots, while other calls are answered', async () => {
  const [ended] = unwrap(fixture.custodian.list()).filter(({ kind }) => kind === 'zone-pin');
  unwrap(
    changeKeystore(fixture.directory, ({ slots }) => {
      const model = slots.find(({ id }) => id === ended?.id)!;
      const { block: _, ...described } = { ...model, state: 'destroyed' as const };
      return ok([
        ...slots,
        ...Array.from({ length: 2_000 }, (_none, number) => ({ ...described, id: `old-${number}` })),
      ]);
    }),
  );
  const [slots, described] = await Promise.all([vault.listKeys(), vault.describe()]);
  const ids = unwrap(slots).map(({ id }) => id);
  expect(ids).toEqual(unwrap(fixture.custodian.list()).map(({ id }) => id));
  expect(ids.length).toBeGreaterThan(2_000);
  expect(described.ok).toBe(true);
});

test('signDeviceToken: a compact JWS, or the refusal', async () => {
  const claims = {
    iss: 'https://tapgate.example',
    sub: 'device-1',
    aud: 'acquirer-a',
    iat: NOW.getTime() / 1000,
    exp: NOW.getTime() / 1000 + 600,
    jti: 'token-1',
    cnf: { jkt: phone.thumbprint },
    eat_profile: DEVICE_TOKEN_PROFILE,
    merchant: 'shop-1',
    ...APPRAISED_CLAIMS,
  };
  const { keyId, publicKey } = fixture.keys.deviceToken;
  const compact = unwrap(await vault.signDeviceToken(claims));
  expect(unwrap(verifyEs256(compact, DEVICE_TOKEN_TYPE, new Map([[keyId, publicKey]])))).toEqual(claims);
  expect(await vault.signDeviceToken({ ...claims, exp: 0 })).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE' });
});

test('signGrant and signPinGrant: bytes under the service key', async () => {
  const { keyId, publicKey } = fixture.keys.grant;
  const wanted = testGrant(phone);
  const keyBinding = bindingOf(fixture, wanted);
  const grant = unwrap(await vault.signGrant({ grant: wanted, keyBinding, parent: null }));
  expect(grant.keyId).toBe(keyId);
  expect(verifySigned(CONTEXT.grant, grant, publicKey)).toBe(true);
  const pinGrant = testPinGrant(wanted, { layout: unwrap(await vault.shuffleLayout()) });
  const signed = unwrap(await vault.signPinGrant({ pinGrant, grant }));
  expect(verifySigned(CONTEXT.pinGrant, signed, publicKey)).toBe(true);
  const unbound = { grant: wanted, keyBinding: Buffer.alloc(16), parent: null };
  expect(await vault.signGrant(unbound)).toEqual({ ok: false, reason: 'KEYS_NOT_BOUND' });
  expect(await vault.signGrant({ grant: wanted, keyBinding, parent: grant })).toMatchObject({
    reason: 'MALFORMED_MESSAGE',
  });
});

test('offerKeys and verifyKeyProof: an offer under the service key; a proof that does not hold', async () => {
  const initialKeyIds = { pin: phone.pin.initialKeyId, accountData: phone.accountData.initialKeyId };
  const { offer, keyBinding } = unwrap(
    await vault.offerKeys({
      injectionId: randomUuid(random),
      deviceId: 'device-1',
      acquirer: ACQUIRER,
      sessionKeyThumbprint: phone.thumbprint,
      transport: 'key-agreement',
      transportKey: phone.sessionPublicKey,
      nonce: random.bytes(32),
      initialKeyIds,
      expiresAt: NOW,
    }),
  );
  expect(verifySigned(CONTEXT.keyOffer, offer, fixture.keys.grant.publicKey)).toBe(true);
  const grant = { ...testGrant(phone), deviceId: 'device-1' };
  expect((await vault.signGrant({ grant, keyBinding, parent: null })).ok).toBe(true);
  const proof = { initialKeyIds, offer: offer.payload, pinCmac: Buffer.alloc(16), accountDataCmac: Buffer.alloc(16) };
  expect(await vault.verifyKeyProof(proof)).toEqual({ ok: true, value: false });
});

test('checkPinBlock: null, or the refusal', async () => {
  const { block, accountData: wire, pinGrant, grant } = testPinCheck(fixture, phone);
  const accountData = unwrap(accountDataFromWire(wire));
  if (pinGrant === undefined || grant === undefined) throw new Error('no grant');
  const check = { block, accountData, pinGrant, grant };
  expect(await vault.checkPinBlock(check)).toEqual({ ok: true, value: null });
  const another = { ...check, block: encipherPin(phone, 8) };
  expect(await vault.checkPinBlock(another)).toEqual({ ok: false, reason: 'PIN_BLOCK_MALFORMED' });
});

test('translatePayment: a receipt and what the acquirer can open', async () => {
  const { call, intentHash, claims } = testPayment(fixture, phone);
  const translation = {
    intent: call.intent ?? { payload: intentHash, signature: intentHash, keyId: '' },
    sessionKey: call.sessionPublicKey,
    grant: call.grant ?? { payload: intentHash, signature: intentHash, keyId: '' },
    pinBlock: call.pinBlock,
    receipt: claims,
  };
  const translated = unwrap(await vault.translatePayment(translation));
  const { keyId, publicKey } = fixture.keys.receipt;
  expect(unwrap(verifyEs256(translated.receipt, RECEIPT_TYPE, new Map([[keyId, publicKey]])))).toMatchObject(claims);
  expect(translated.accountData.keyId).toBe(fixture.zone.offered.data.keyId);
  expect(translated.pinBlock?.keyId).toBe(fixture.zone.offered.pin.keyId);
  const again = unwrap(await vault.translatePayment({ ...translation, pinBlock: null, receipt: null }));
  expect([again.receipt, again.pinBlock]).toEqual(['', null]);
  expect(again.cardReference).toEqual(translated.cardReference);
});
