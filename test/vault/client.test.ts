import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verifyEs256 } from '../../src/encoding/jws.ts';
import { CONTEXT, verifySigned } from '../../src/encoding/signed.ts';
import { RECEIPT_TYPE } from '../../src/gate/receipt.ts';
import { randomUuid } from '../../src/ports/random.ts';
import { DEVICE_TOKEN_PROFILE, DEVICE_TOKEN_TYPE } from '../../src/tokens/claims.ts';
import { VaultClient } from '../../src/vault/client.ts';
import { startVaultServer, type VaultServer } from '../../src/vault/server.ts';
import { accountDataFromWire } from '../../src/wire/transaction.ts';
import { APPRAISED_CLAIMS } from '../support/tokens.ts';
import { clock, NOW, random, temporaryFolder, unwrap, type VaultFixture, vaultFixture } from './support/keystore.ts';
import { testGrant, testPayment } from './support/payment.ts';
import { encipherPin, type TestPhone, testPhone } from './support/phone.ts';
import { testPinCheck } from './support/pin-check.ts';

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

test('signDeviceToken: a compact JWS, or the refusal', async () => {
  const claims = {
    iss: 'https://tapgate.example',
    sub: 'device-1',
    aud: 'acquirer-a',
    iat: 1_770_000_000,
    exp: 1_770_000_600,
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
  const grant = unwrap(await vault.signGrant(testGrant(phone)));
  expect(grant.keyId).toBe(keyId);
  expect(verifySigned(CONTEXT.grant, grant, publicKey)).toBe(true);
  const pinGrant = unwrap(
    await vault.signPinGrant({
      id: randomUuid(random),
      grantId: randomUuid(random),
      thumbprint: phone.thumbprint,
      accountDataHash: Buffer.alloc(32, 1),
      pinKsn: phone.pin.ksn(7),
      layout: unwrap(await vault.shuffleLayout()),
      accessibleLayout: false,
      minimumLength: 4,
      maximumLength: 12,
      reportIntervalMilliseconds: 2_000,
      expiresAt: NOW,
      nonce: Buffer.alloc(16, 2),
    }),
  );
  expect(verifySigned(CONTEXT.pinGrant, pinGrant, publicKey)).toBe(true);
});

test('offerKeys and verifyKeyProof: an offer under the service key; a proof that does not hold', async () => {
  const initialKeyIds = { pin: phone.pin.initialKeyId, accountData: phone.accountData.initialKeyId };
  const offer = unwrap(
    await vault.offerKeys({
      injectionId: randomUuid(random),
      deviceId: 'device-1',
      sessionKeyThumbprint: phone.thumbprint,
      transport: 'key-agreement',
      transportKey: phone.sessionPublicKey,
      nonce: random.bytes(32),
      initialKeyIds,
      expiresAt: NOW,
    }),
  );
  expect(verifySigned(CONTEXT.keyOffer, offer, fixture.keys.grant.publicKey)).toBe(true);
  const proof = { initialKeyIds, offer: offer.payload, pinCmac: Buffer.alloc(16), accountDataCmac: Buffer.alloc(16) };
  expect(await vault.verifyKeyProof(proof)).toEqual({ ok: true, value: false });
});

test('checkPinBlock: null, or the refusal', async () => {
  const { block, accountData: wire, pinGrant } = testPinCheck(fixture, phone);
  const accountData = unwrap(accountDataFromWire(wire));
  if (pinGrant === undefined) throw new Error('no PIN grant');
  const check = { block, accountData, pinGrant, accountDataGrantId: '' };
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
