import { describe } from '@jest/globals';
import { MasterKeyOfToken, masterKeyInFile } from '../../../src/vault/keystore/master-key.ts';
import { vaultContract } from '../pkcs11/contract.ts';
import { MemoryToken } from '../support/memory-token.ts';

describe('a software vault', () => {
  vaultContract((directory) => ({ directory, master: masterKeyInFile, token: null }));
});

describe('a vault on a token', () => {
  const token = new MemoryToken();
  vaultContract((directory) => ({ directory, master: new MasterKeyOfToken(token), token }));
});
