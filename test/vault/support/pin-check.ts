import { accountDataHash, grantHash } from '../../../src/encoding/contexts.ts';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import type { CheckPinBlockCall } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import type { EncryptedAccountData, PinGrant } from '../../../src/pin/vault.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import type { TransactionGrant } from '../../../src/sessions/transaction.ts';
import { encodePinGrant } from '../../../src/wire/pin.ts';
import { accountDataToWire, encodeGrant } from '../../../src/wire/transaction.ts';
import { NOW, random, type VaultFixture } from './keystore.ts';
import { testGrant } from './payment.ts';
import { encipherPin, encryptAccountData, signed, type TestPhone } from './phone.ts';

const COUNTER = 7;

/** A PIN block check, from which a test bends one thing. */
export interface PinCheckBend {
  /** The transaction grant, before the service key signs it. */
  readonly transaction?: Partial<TransactionGrant>;
  /** Before the service key signs it. */
  readonly grant?: Partial<PinGrant>;
  readonly block?: Buffer;
  /** Other account data than the grant is bound to. */
  readonly accountData?: EncryptedAccountData;
  /** What the account data is bound to, in the place of the transaction grant. */
  readonly boundTo?: Buffer;
  /** Card data, enciphered and bound honestly. */
  readonly cardTlv?: Buffer;
  readonly call?: (call: CheckPinBlockCall) => CheckPinBlockCall;
  readonly now?: Date;
}

/** A PIN grant for a transaction grant, honest but for the bend. */
export function testPinGrant(grant: TransactionGrant, over: Partial<PinGrant> = {}): PinGrant {
  return {
    id: randomUuid(random),
    grantId: grant.id,
    thumbprint: grant.thumbprint,
    accountDataHash: Buffer.alloc(32, 1),
    pinKsn: grant.pinKsn,
    layout: '7294061835',
    accessibleLayout: false,
    minimumLength: 4,
    maximumLength: 12,
    reportIntervalMilliseconds: 5000,
    expiresAt: new Date(grant.expiresAt.getTime() - 60_000),
    nonce: random.bytes(16),
    ...over,
  };
}

/** A call to check a PIN block under grants that the fixture's service key has signed, honest but for the bend. */
export function testPinCheck({ keys }: VaultFixture, phone: TestPhone, bend: PinCheckBend = {}): CheckPinBlockCall {
  const transaction = { ...testGrant(phone, bend.now ?? NOW), ...bend.transaction };
  const payload = encodeGrant(transaction);
  const data = encryptAccountData(phone, bend.boundTo ?? grantHash(payload), COUNTER, bend.cardTlv);
  const hash = accountDataHash(data.ksn, data.initializationVector, data.ciphertext);
  const grant = testPinGrant(transaction, { accountDataHash: hash, ...bend.grant });
  const call: CheckPinBlockCall = {
    block: bend.block ?? encipherPin(phone, COUNTER),
    accountData: accountDataToWire(bend.accountData ?? data),
    pinGrant: signed(CONTEXT.pinGrant, encodePinGrant(grant), keys.grant, keys.grant.keyId),
    grant: signed(CONTEXT.grant, payload, keys.grant, keys.grant.keyId),
  };
  return bend.call?.(call) ?? call;
}
