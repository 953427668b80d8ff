import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { CKA, CKO } from '../../../src/vault/pkcs11/constants.ts';
import { Token } from '../../../src/vault/pkcs11/token.ts';
import { TokenKeys } from '../../../src/vault/pkcs11/token-keys.ts';
import { describeOnToken, makeSoftToken, type SoftToken, setForModules } from '../../support/soft-token.ts';
import { clock, random, unwrap } from '../support/keystore.ts';

describeOnToken('a base derivation key that is brought to a PKCS #11 token', () => {
  let soft: SoftToken;
  let token: Token;
  let keys: TokenKeys;
  beforeEach(async () => {
    soft = makeSoftToken();
    await setForModules(soft.environment);
    token = unwrap(await Token.open(soft.address, { serial: null, memory: null, clock }));
    keys = new TokenKeys(token);
  });
  afterEach(() => {
    token.close();
    soft.remove();
  });

  test('enciphers there, and is told to nobody from then on', () => {
    const key = SecretKey.generate('AES', 128, random);
    const entered = keys.enterDerivationKey('bdk-pin-01', key);
    const block = random.bytes(16);
    expect(Buffer.from(entered.encipher(block))).toEqual(Buffer.from(key.encipher(block)));
    const [sensitive, extractable, value] = token.use((session) => {
      const handle = session.find([
        [CKA.CLASS, CKO.SECRET_KEY],
        [CKA.ID, Buffer.from('bdk-pin-01')],
      ]);
      if (handle === null) throw new Error('no object');
      const told = (type: number, length: number) => session.read(handle, [{ type, length }])[0];
      return [told(CKA.SENSITIVE, 1), told(CKA.EXTRACTABLE, 1), told(CKA.VALUE, 64)];
    });
    expect([sensitive, extractable, value]).toEqual([Buffer.of(1), Buffer.of(0), null]);
  });

  test('is no key that was made there, and a key that was made there is none that was brought', () => {
    keys.enterDerivationKey('bdk-pin-01', SecretKey.generate('AES', 128, random));
    keys.makeDerivationKey('bdk-pin-02', 128);
    expect(keys.derivationKey('bdk-pin-01', 128)).toBeNull();
    expect(keys.derivationKey('bdk-pin-01', 256, 'entered')).toBeNull();
    expect(keys.derivationKey('bdk-pin-01', 128, 'entered')).not.toBeNull();
    expect(keys.derivationKey('bdk-pin-02', 128, 'entered')).toBeNull();
    expect(keys.derivationKey('bdk-pin-02', 128)).not.toBeNull();
  });
});
