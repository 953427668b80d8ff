import { sha256 } from '../../../../src/encoding/digest.ts';
import type { SignedBytes } from '../../../../src/encoding/signed.ts';
import type { PaymentIntent } from '../../../../src/gate/intent.ts';
import type { PinGrant } from '../../../../src/pin/vault.ts';
import type { TransactionGrant } from '../../../../src/sessions/transaction.ts';

/** Bytes of this length that are no others. */
export const bytes = (length: number, name: string): Buffer =>
  Buffer.from(sha256(Buffer.from(name)).subarray(0, length));

const terms = { type: 'sale', amountMinor: 1250n, currency: 978, merchant: 'shop', order: 'order-1' } as const;
const accountData = {
  ksn: bytes(12, 'account data ksn'),
  initializationVector: bytes(12, 'iv'),
  ciphertext: bytes(32, 'ciphertext'),
};
const thumbprint = bytes(32, 'thumbprint').toString('base64url');

export const INTENT_VALUE: PaymentIntent = {
  acquirer: 'acquirer-a',
  thumbprint,
  grantId: 'grant-1',
  terms,
  emvData: bytes(32, 'emv'),
  accountData,
  claimedVerification: 'none',
  pin: null,
};

export const PIN_INTENT_VALUE: PaymentIntent = {
  ...INTENT_VALUE,
  claimedVerification: 'online-pin',
  pin: { ksn: bytes(12, 'pin ksn'), blockHash: bytes(32, 'block') },
};

export const GRANT_VALUE: TransactionGrant = {
  id: 'grant-1',
  nonce: bytes(16, 'nonce'),
  deviceId: 'device-1',
  thumbprint,
  acquirer: 'acquirer-a',
  terms,
  pinKsn: bytes(12, 'pin ksn'),
  accountDataKsn: accountData.ksn,
  sequence: 7n,
  expectedVerification: 'online-pin',
  pinAllowed: true,
  issuedAt: new Date('2026-06-15T12:00:00Z'),
  expiresAt: new Date('2026-06-15T12:02:00Z'),
  policyVersion: 'policy-1',
  sameTap: null,
};

export const PIN_GRANT_VALUE: PinGrant = {
  id: 'pin-grant-1',
  grantId: 'grant-1',
  thumbprint,
  accountDataHash: bytes(32, 'account data'),
  pinKsn: bytes(12, 'pin ksn'),
  layout: '7203951846',
  accessibleLayout: false,
  minimumLength: 4,
  maximumLength: 12,
  reportIntervalMilliseconds: 2000,
  expiresAt: new Date('2026-06-15T12:02:00Z'),
  nonce: bytes(16, 'nonce'),
};

export const PIN_BLOCK_VALUE = {
  pinGrantId: 'pin-grant-1',
  grantId: 'grant-1',
  pinKsn: bytes(12, 'pin ksn'),
  block: bytes(16, 'block'),
  accountDataHash: bytes(32, 'account data'),
};

export const PIN_ENTRY_VALUE = {
  grantId: 'grant-1',
  accountData,
  posture: new Set(['overlay', 'debugger'] as const),
  accessibleLayout: true,
};

export const BEGIN_VALUE = {
  nonce: bytes(16, 'nonce'),
  terms,
  pinKsn: bytes(12, 'pin ksn'),
  accountDataKsn: accountData.ksn,
  parentGrantId: null,
};

/** The payload as it comes in a message; readers of the payload do not look at the signature. */
export const unsigned = (payload: Uint8Array): SignedBytes => ({ payload, signature: Buffer.alloc(0), keyId: '' });
