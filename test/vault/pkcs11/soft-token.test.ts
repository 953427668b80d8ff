import { afterAll, beforeAll } from '@jest/globals';
import { MasterKeyOfToken } from '../../../src/vault/keystore/master-key.ts';
import { Token } from '../../../src/vault/pkcs11/token.ts';
import { TokenKeys } from '../../../src/vault/pkcs11/token-keys.ts';
import { describeOnToken, makeSoftToken, type SoftToken, setForModules } from '../../support/soft-token.ts';
import { clock, unwrap } from '../support/keystore.ts';
import { vaultContract } from './contract.ts';

describeOnToken('a vault on a PKCS #11 token', () => {
  let soft: SoftToken;
  let token: Token;
  let keys: TokenKeys;
  beforeAll(async () => {
    soft = makeSoftToken();
    await setForModules(soft.environment);
    token = unwrap(await Token.open(soft.address, { serial: null, memory: null, clock }));
    keys = new TokenKeys(token);
  });
  afterAll(() => {
    token.close();
    soft.remove();
  });

  vaultContract((directory) => ({ directory, master: new MasterKeyOfToken(keys), token: keys }));
});
