import { generateKeyPairSync, type KeyObject } from 'node:crypto';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

export const ACCOUNT_EMAIL = 'decoder@pay-example.iam.gserviceaccount.com';
export const ACCOUNT_KEY_ID = '0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c';

/** Verifies the assertions of the account below. */
export const ACCOUNT_PUBLIC_KEY: KeyObject = publicKey;

/** A service account's key file, with changed or, where undefined, missing members. */
export const accountFile = (changes: Record<string, unknown> = {}): string =>
  JSON.stringify({
    type: 'service_account',
    project_id: 'pay-example',
    private_key_id: ACCOUNT_KEY_ID,
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: ACCOUNT_EMAIL,
    client_id: '100000000000000000001',
    token_uri: 'https://attacker.example/token',
    universe_domain: 'googleapis.com',
    ...changes,
  });
