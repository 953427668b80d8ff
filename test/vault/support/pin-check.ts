import { accountDataHash } from '../../../src/encoding/contexts.ts';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import type { CheckPinBlockCall } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import type { EncryptedAccountData, PinGrant } from '../../../src/pin/vault.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import { encodePinGrant } from '../../../src/wire/pin.ts';
import { accountDataToWire } from '../../../src/wire/transaction.ts';
import { NOW, random, type VaultFixture } from './keystore.ts';
import { encipherPin, encryptAccountData, signed, type TestPhone } from './phone.ts';

const COUNTER = 7;

/** A PIN block check, from which a test bends one thing. */
export interface PinCheckBend {
  /** Before the service key signs it. */
  readonly grant?: Partial<PinGrant>;
  readonly block?: Buffer;
  /** Other account data than the grant is bound to. */
  readonly accountData?: EncryptedAccountData;
  /** Card data, enciphered and bound honestly. */
  readonly cardTlv?: Buffer;
  readonly call?: (call: CheckPinBlockCall) => CheckPinBlockCall;
  readonly now?: Date;
}

/** A call to check a PIN block under a grant that the fixture's service key has signed, honest but for the bend. */
export function testPinCheck({ keys }: VaultFixture, phone: TestPhone, bend: PinCheckBend = {}): CheckPinBlockCall {
  const grantId = randomUuid(random);
  const data = encryptAccountData(phone, grantId, COUNTER, bend.cardTlv);
  const grant: PinGrant = {
    id: randomUuid(random),
    grantId,
    thumbprint: phone.thumbprint,
    accountDataHash: accountDataHash(data.ksn, data.initializationVector, data.ciphertext),
    pinKsn: phone.pin.ksn(COUNTER),
    layout: '7294061835',
    accessibleLayout: false,
    minimumLength: 4,
    maximumLength: 12,
    reportIntervalMilliseconds: 5000,
    expiresAt: new Date((bend.now ?? NOW).getTime() + 60_000),
    nonce: random.bytes(16),
    ...bend.grant,
  };
  const call: CheckPinBlockCall = {
    block: bend.block ?? encipherPin(phone, COUNTER),
    accountData: accountDataToWire(bend.accountData ?? data),
    pinGrant: signed(CONTEXT.pinGrant, encodePinGrant(grant), keys.grant, keys.grant.keyId),
    accountDataGrantId: '',
  };
  return bend.call?.(call) ?? call;
}
