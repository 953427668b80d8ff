import { describe, expect, test } from '@jest/globals';
import { tlv } from '../../../src/encoding/tlv.ts';
import { ClearPin } from '../../../src/payment-crypto/pin-block/clear-pin.ts';
import { encipherFormat4 } from '../../../src/payment-crypto/pin-block/format4.ts';
import { Pan } from '../../../src/payment-crypto/pin-block/pan.ts';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { TEST_ACCOUNTS, type VirtualAccount } from '../../../src/virtual/card/account.ts';
import { createVirtualCard, type TapTerms } from '../../../src/virtual/card/card.ts';
import { type DeclineReason, type IssuerRequest, VirtualIssuer } from '../../../src/virtual/processing/issuer.ts';
import { issuerMasterKey, NOW } from './support/shop.ts';
import { random, zoneDataKey, zonePinKey } from './support/zone.ts';

const account = TEST_ACCOUNTS.mir;
const terms = { type: 'sale', amountMinor: 1_250n, currency: 978, merchant: 'corner-shop', order: 'o-1' } as const;

function issuer(over: Partial<VirtualAccount> = {}, now = NOW) {
  const accounts = [{ ...account, ...over }];
  return new VirtualIssuer({ accounts, masterKey: issuerMasterKey, pinKey: zonePinKey(), clock: { now: () => now } });
}

function request(over: Partial<TapTerms & VirtualAccount> = {}, masterKey = issuerMasterKey): IssuerRequest {
  const card = createVirtualCard({ ...account, ...over, issuerMasterKey: masterKey, random });
  const tap = card.tap({ ...terms, country: 756, date: NOW, unpredictableNumber: random.bytes(4), ...over });
  return {
    authorisationId: Buffer.alloc(32),
    terms,
    emvData: tap.iccData,
    accountData: new SecretBytes(tap.accountData),
    pinBlock: null,
  };
}

function pinBlock(pin: string, pan: string = account.pan, key = zonePinKey()): Buffer {
  const [clear, number] = [ClearPin.parse(Buffer.from(pin)), Pan.parse(Buffer.from(pan))];
  const block = clear.ok && number.ok ? encipherFormat4(key, clear.value, number.value, random) : clear;
  if (!block.ok) throw new Error(block.reason);
  return block.value as Buffer;
}

const WITH_PIN = { verification: 'online-pin' } as const;

describe('the virtual issuer', () => {
  test('approves a genuine tap', async () => {
    expect(await issuer().authorise(request())).toEqual({ decision: 'approved', pinVerified: false });
  });

  test('approves the right PIN', async () => {
    const asked = { ...request(WITH_PIN), pinBlock: pinBlock(account.pin) };
    expect(await issuer().authorise(asked)).toEqual({ decision: 'approved', pinVerified: true });
  });

  const withPin = (block: Buffer) => () => ({ ...request(WITH_PIN), pinBlock: block });
  const withAccount = (bytes: Uint8Array) => () => ({ ...request(), accountData: new SecretBytes(bytes) });
  const otherMaster = SecretKey.ofOwned('AES', new Uint8Array(16).fill(1));
  test.each<[DeclineReason, string, () => IssuerRequest]>([
    ['PIN_WRONG', 'another PIN', withPin(pinBlock('9999'))],
    ['PIN_WRONG', 'a longer PIN that begins alike', withPin(pinBlock(`${account.pin}0`))],
    ['PIN_WRONG', "another card's PIN block", withPin(pinBlock(account.pin, TEST_ACCOUNTS.visa.pan))],
    ['PIN_WRONG', 'a block under another key', withPin(pinBlock(account.pin, account.pan, zoneDataKey()))],
    ['PIN_WRONG', 'half a block', withPin(Buffer.alloc(8))],
    ['PIN_REQUIRED', 'no PIN where the card asked for one', () => request(WITH_PIN)],
    ['CRYPTOGRAM_INVALID', 'a card of another issuer', () => request({}, otherMaster)],
    ['CARD_UNKNOWN', 'a card of another number', () => request({ pan: TEST_ACCOUNTS.visa.pan })],
    ['CARD_UNKNOWN', 'another sequence number', () => request({ sequenceNumber: 2 })],
    ['CARD_EXPIRED', 'another expiry than the account has', () => request({ expiry: '4911' })],
    ['TERMS_MISMATCH', 'another amount than the card signed', () => request({ amountMinor: 1n })],
    ['TERMS_MISMATCH', 'another currency', () => request({ currency: 840 })],
    ['ICC_DATA_MALFORMED', 'no ICC data', () => ({ ...request(), emvData: Buffer.alloc(0) })],
    ['ACCOUNT_DATA_MALFORMED', 'no account data', withAccount(Buffer.alloc(0))],
    ['ACCOUNT_DATA_MALFORMED', 'account data that is no TLV', withAccount(Buffer.from('5aff', 'hex'))],
    ['ACCOUNT_DATA_MALFORMED', 'a PAN only', withAccount(tlv('5A', Buffer.from(account.pan, 'hex')))],
  ])('declines with %s: %s', async (reason, _, asked) => {
    expect(await issuer().authorise(asked())).toEqual({ decision: 'declined', reason });
  });

  test('declines a card the day after its expiry, and not on it', async () => {
    const over = { expiry: '2610' };
    const onTheDay = issuer(over, new Date('2026-10-31T23:59:59Z'));
    const after = issuer(over, new Date('2026-11-01T00:00:00Z'));
    expect(await onTheDay.authorise(request(over))).toMatchObject({ decision: 'approved' });
    expect(await after.authorise(request(over))).toEqual({ decision: 'declined', reason: 'CARD_EXPIRED' });
  });

  test('does not verify ICC data that was changed after the tap', async () => {
    const asked = request();
    const emvData = Buffer.from(asked.emvData);
    const at = emvData.indexOf(Buffer.from('9f3704', 'hex'));
    emvData[at + 3]! ^= 1;
    expect(await issuer().authorise({ ...asked, emvData })).toEqual({
      decision: 'declined',
      reason: 'CRYPTOGRAM_INVALID',
    });
  });
});
