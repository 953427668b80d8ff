import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { ExchangeRequest } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { dispatch } from '../../../src/vault/dispatch.ts';
import { MasterKeyOfToken } from '../../../src/vault/keystore/master-key.ts';
import { CKA, CKF, CKK, CKM, CKO, CKR } from '../../../src/vault/pkcs11/constants.ts';
import { Cryptoki } from '../../../src/vault/pkcs11/cryptoki.ts';
import { derivationKeyRules } from '../../../src/vault/pkcs11/key-rules.ts';
import { questionOf } from '../../../src/vault/pkcs11/template.ts';
import { Token } from '../../../src/vault/pkcs11/token.ts';
import { TokenError } from '../../../src/vault/pkcs11/token-error.ts';
import { TokenKeys } from '../../../src/vault/pkcs11/token-keys.ts';
import { describeOnToken, makeSoftToken, type SoftToken, setForModules } from '../../support/soft-token.ts';
import { random, unwrap, vaultFixture } from '../support/keystore.ts';
import { grantCall, testGrant } from '../support/payment.ts';
import { testPhone } from '../support/phone.ts';

describeOnToken('a PKCS #11 token', () => {
  let soft: SoftToken;
  let token: Token;
  let keys: TokenKeys;
  let instant: number;
  const clock = { now: () => new Date(instant) };
  const open = (memory: string | null = null, serial: string | null = null) =>
    Token.open(soft.address, { serial, memory, clock });
  beforeEach(async () => {
    instant = Date.parse('2026-03-01T12:00:00Z');
    soft = makeSoftToken();
    await setForModules(soft.environment);
    token = unwrap(await open());
    keys = new TokenKeys(token);
  });
  afterEach(() => {
    token.close();
    soft.remove();
  });

  test('tells nobody the bytes of a key, also not who is logged in', async () => {
    keys.makeDerivationKey('bdk-pin-01', 128);
    keys.makeSigningKey('grant-01');
    keys.makeRoot('root-01');
    const cryptoki = unwrap(await Cryptoki.load(soft.address.module));
    for (const [id, objectClass] of [
      ['bdk-pin-01', CKO.SECRET_KEY],
      ['root-01', CKO.SECRET_KEY],
      ['grant-01', CKO.PRIVATE_KEY],
    ] as const) {
      const [object, value] = token.use((session) => {
        const handle = session.find([
          [CKA.CLASS, objectClass],
          [CKA.ID, Buffer.from(id)],
        ]);
        if (handle === null) throw new Error(id);
        return [handle, session.read(handle, [{ type: CKA.VALUE, length: 64 }])];
      });
      expect(value).toEqual([null]);
      // As Cryptoki itself says it, in a session of its own: the login is the application's.
      const slots = Buffer.alloc(64);
      cryptoki.call('C_GetSlotList', 1, slots, Buffer.of(8, 0, 0, 0, 0, 0, 0, 0));
      const session = Buffer.alloc(8);
      cryptoki.call('C_OpenSession', slots.readBigUInt64LE(), CKF.SERIAL_SESSION, null, null, session);
      const question = questionOf(cryptoki, [{ type: CKA.VALUE, length: 64 }]);
      const asked = [session.readBigUInt64LE(), object, question.memory, question.count] as const;
      expect(cryptoki.attempt('C_GetAttributeValue', ...asked)).toBe(CKR.ATTRIBUTE_SENSITIVE);
    }
  });

  test('lets a key do what it is for, and nothing else', () => {
    keys.makeDerivationKey('bdk-pin-01', 128);
    keys.makeSigningKey('grant-01');
    const handleOf = (id: string, objectClass: number): bigint =>
      token.use(
        (session) =>
          session.find([
            [CKA.CLASS, objectClass],
            [CKA.ID, Buffer.from(id)],
          ]) ?? 0n,
      );
    const bdk = handleOf('bdk-pin-01', CKO.SECRET_KEY);
    expect(() => token.use((session) => session.sign(bdk, CKM.SHA256_HMAC, Buffer.alloc(1), 32))).toThrow(TokenError);
    const grant = handleOf('grant-01', CKO.PRIVATE_KEY);
    expect(() => token.use((session) => session.encipher(grant, CKM.AES_ECB, Buffer.alloc(16)))).toThrow(TokenError);
  });

  test.each([
    ['may leave it', CKA.EXTRACTABLE],
    ['deciphers too', CKA.DECRYPT],
    ['wraps other keys', CKA.WRAP],
    ['may be changed', CKA.MODIFIABLE],
  ])('has no key of the vault where one of its name %s', (_what, attribute) => {
    const rules = derivationKeyRules().map(([type, value]) => [type, type === attribute ? true : value] as const);
    const named = [CKA.ID, Buffer.from('bdk-pin-01')] as const;
    token.once((session) =>
      session.generateKey(CKM.AES_KEY_GEN, [...rules, [CKA.TOKEN, true], [CKA.VALUE_LEN, 16], named]),
    );
    expect(keys.derivationKey('bdk-pin-01', 128)).toBeNull();
  });

  test('has no key of the vault where there are two of one name, or one of another size', () => {
    keys.makeDerivationKey('bdk-pin-01', 256);
    expect(keys.derivationKey('bdk-pin-01', 128)).toBeNull();
    token.once((session) =>
      session.generateKey(CKM.AES_KEY_GEN, [
        [CKA.CLASS, CKO.SECRET_KEY],
        [CKA.KEY_TYPE, CKK.AES],
        [CKA.TOKEN, true],
        [CKA.VALUE_LEN, 32],
        [CKA.ID, Buffer.from('bdk-pin-01')],
      ]),
    );
    expect(() => keys.derivationKey('bdk-pin-01', 256)).toThrow('two objects');
  });

  test('signs with the key that was made, and with no other under its name', () => {
    const first = keys.makeSigningKey('grant-01');
    const second = keys.makeSigningKey('grant-02');
    expect(keys.signingKey('grant-01', first.spki)?.keyId).toBe(first.keyId);
    expect(keys.signingKey('grant-01', second.spki)).toBeNull();
  });

  test('goes on by itself after its session was ended', async () => {
    const key = keys.makeDerivationKey('bdk-pin-01', 128);
    const before = key.encipher(Buffer.alloc(16));
    unwrap(await Cryptoki.load(soft.address.module)).stop();
    expect(key.encipher(Buffer.alloc(16))).toEqual(before);
  });

  test('that is drawn is unavailable, is not asked without end, and comes back', async () => {
    const fixture = vaultFixture((directory) => ({ directory, master: new MasterKeyOfToken(keys), token: keys }));
    const value = grantCall(fixture, testGrant(testPhone(fixture), clock.now()));
    const cryptoki = unwrap(await Cryptoki.load(soft.address.module));
    const events: string[] = [];
    const answer = () => {
      const call: ExchangeRequest['call'] = { $case: 'signGrant', value };
      const log = (event: string): void => void events.push(event);
      return dispatch({ id: 1n, call }, fixture.custodian, { random, clock }, log).answer;
    };
    const unavailable = { $case: 'refused', value: 'VAULT_UNAVAILABLE' };
    expect(answer()?.$case).toBe('signed');
    soft.draw();
    cryptoki.stop();
    expect(answer()).toEqual(unavailable);
    soft.plug();
    // Within a second it is not looked for again.
    expect(answer()).toEqual(unavailable);
    instant += 1_000;
    expect(answer()?.$case).toBe('signed');
    expect(events).toEqual(['token unavailable', 'token unavailable']);
    fixture.remove();
  });

  test('of another serial number is not the one that a keystore was made on', async () => {
    token.close();
    expect(await open(null, '0000000000000000')).toMatchObject({ ok: false, reason: 'TOKEN_UNAVAILABLE' });
  });

  test('whose PIN is wrong is not tried again before the file changes, by any process', async () => {
    token.close();
    const at = new Date('2026-03-01T12:00:00Z');
    const writeInPlace = (pin: string): void => {
      writeFileSync(soft.address.pinFile, `${pin}\n`);
      utimesSync(soft.address.pinFile, at, at);
    };
    writeInPlace('999999');
    expect(await open(soft.root)).toMatchObject({ ok: false, reason: 'TOKEN_PIN_REFUSED' });
    // The file looks the same from outside, and now holds the right PIN: it would be taken, were it tried.
    writeInPlace('123456');
    expect(await open(soft.root)).toMatchObject({ ok: false, reason: 'TOKEN_PIN_REFUSED' });
    utimesSync(soft.address.pinFile, at, new Date(at.getTime() + 1000));
    const opened = unwrap(await open(soft.root));
    expect(opened.serial).toMatch(/^[0-9a-f]{16}$/);
    opened.close();
  });

  test.each([
    ['is missing', () => rmSync(soft.address.pinFile)],
    ['is open to others', () => writeFileSync(soft.address.pinFile, '123456\n', { mode: 0o644 })],
    ['is empty', () => soft.setPinFile('')],
  ])('is not opened with a PIN file that %s', async (_what, bend) => {
    token.close();
    rmSync(soft.address.pinFile);
    if (_what !== 'is missing') bend();
    expect(await open()).toMatchObject({ ok: false, reason: 'TOKEN_PIN_FILE' });
  });

  test.each([
    ['no file', 'none.so'],
    ['no library', 'softhsm2.conf'],
  ])('is not looked for in %s', async (_what, name) => {
    const address = { ...soft.address, module: join(soft.root, name) };
    expect(await Token.open(address, { serial: null, memory: null, clock })).toMatchObject({ reason: 'TOKEN_MODULE' });
  });
});
