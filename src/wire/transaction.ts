import type { PaymentIntent } from '../gate/intent.ts';
import {
  type AccountData,
  TransactionGrant as WireGrant,
  PaymentIntent as WireIntent,
  type SameTap as WireSameTap,
  type TransactionTerms as WireTerms,
  TransactionType as WireType,
  CardholderVerification as WireVerification,
} from '../gen/tapgate/v1/transaction.ts';
import type { EncryptedAccountData } from '../pin/vault.ts';
import { isUuid } from '../ports/random.ts';
import { ok, type Result } from '../reasons/result.ts';
import {
  type CardholderVerification,
  isOneLine,
  isOrderNumber,
  LARGEST_AMOUNT,
  type SameTap,
  type TransactionGrant,
  type TransactionTerms,
  type TransactionType,
} from '../sessions/transaction.ts';
import { decodeMessage, exactBytes, instantOf, malformed } from './decode.ts';

const TYPES = new Map<WireType, TransactionType>([
  [WireType.SALE, 'sale'],
  [WireType.REFUND, 'refund'],
  [WireType.VOID, 'void'],
  [WireType.ZERO_AMOUNT, 'zero-amount'],
]);

const VERIFICATIONS = new Map<WireVerification, CardholderVerification>([
  [WireVerification.NONE, 'none'],
  [WireVerification.ONLINE_PIN, 'online-pin'],
  [WireVerification.DEVICE, 'device'],
]);

function keyFor<K, V>(map: ReadonlyMap<K, V>, value: V): K {
  for (const [key, candidate] of map) if (candidate === value) return key;
  throw new RangeError('a value without a wire form');
}

/** Terms as a message. */
export function termsToWire(terms: TransactionTerms): WireTerms {
  return { ...terms, type: keyFor(TYPES, terms.type) };
}

/** Longest name of a party, a key, a grant or a version. */
const LONGEST_NAME = 128;

/** The first of these fields that holds what no row and no log bears, or null. */
function unfitName(names: Readonly<Record<string, string>>): string | null {
  for (const [field, name] of Object.entries(names)) if (!isOneLine(name, LONGEST_NAME)) return field;
  return null;
}

/** Terms out of a message: texts that rows and logs bear, amounts that cards can state; limits are policy's. */
export function termsFromWire(message: WireTerms | undefined): Result<TransactionTerms, 'MALFORMED_MESSAGE'> {
  if (message === undefined) return malformed('terms');
  const type = TYPES.get(message.type);
  if (type === undefined) return malformed('terms.type');
  if (!isOrderNumber(message.order)) return malformed('terms.order');
  if (!isOrderNumber(message.merchant)) return malformed('terms.merchant');
  if (message.amountMinor < 0n || message.amountMinor > LARGEST_AMOUNT) return malformed('terms.amount_minor');
  const { amountMinor, currency, merchant, order } = message;
  return ok({ type, amountMinor, currency, merchant, order });
}

/** Encrypted account data as a message. */
export function accountDataToWire(data: EncryptedAccountData): AccountData {
  return { ksn: data.ksn, initializationVector: data.initializationVector, ciphertext: data.ciphertext };
}

/** Encrypted account data out of a message: KSN and IV of 12 bytes, ciphertext with tag of 17 to 512 bytes. */
export function accountDataFromWire(
  message: AccountData | undefined,
): Result<EncryptedAccountData, 'MALFORMED_MESSAGE'> {
  if (message === undefined) return malformed('account_data');
  const ksn = exactBytes(message.ksn, 12, 'account_data.ksn');
  if (!ksn.ok) return ksn;
  const iv = exactBytes(message.initializationVector, 12, 'account_data.initialization_vector');
  if (!iv.ok) return iv;
  if (message.ciphertext.length < 17 || message.ciphertext.length > 512) return malformed('account_data.ciphertext');
  return ok({ ksn: ksn.value, initializationVector: iv.value, ciphertext: message.ciphertext });
}

/** Serialises a grant: the bytes that the service signs. */
export function encodeGrant(grant: TransactionGrant): Buffer {
  return Buffer.from(
    WireGrant.encode({
      grantId: grant.id,
      nonce: grant.nonce,
      deviceId: grant.deviceId,
      sessionKeyThumbprint: grant.thumbprint,
      acquirer: grant.acquirer,
      terms: termsToWire(grant.terms),
      pinKsn: grant.pinKsn,
      accountDataKsn: grant.accountDataKsn,
      sequence: grant.sequence,
      expectedVerification: keyFor(VERIFICATIONS, grant.expectedVerification),
      pinAllowed: grant.pinAllowed,
      issuedAt: grant.issuedAt,
      expiresAt: grant.expiresAt,
      policyVersion: grant.policyVersion,
      sameTap: grant.sameTap === null ? undefined : sameTapToWire(grant.sameTap),
    }).finish(),
  );
}

/** Parses a grant's signed bytes. */
export function decodeGrant(payload: Uint8Array): Result<TransactionGrant, 'MALFORMED_MESSAGE'> {
  const decoded = decodeMessage(WireGrant, payload);
  if (!decoded.ok) return decoded;
  const message = decoded.value;
  const { grantId, deviceId, sessionKeyThumbprint, acquirer, policyVersion } = message;
  const unfit = unfitName({
    grant_id: grantId,
    device_id: deviceId,
    session_key_thumbprint: sessionKeyThumbprint,
    acquirer,
    policy_version: policyVersion,
  });
  if (unfit !== null) return malformed(unfit);
  const terms = termsFromWire(message.terms);
  if (!terms.ok) return terms;
  const pinKsn = exactBytes(message.pinKsn, 12, 'pin_ksn');
  if (!pinKsn.ok) return pinKsn;
  const accountDataKsn = exactBytes(message.accountDataKsn, 12, 'account_data_ksn');
  if (!accountDataKsn.ok) return accountDataKsn;
  const expectedVerification = VERIFICATIONS.get(message.expectedVerification);
  if (expectedVerification === undefined) return malformed('expected_verification');
  const issuedAt = instantOf(message.issuedAt);
  if (issuedAt === null) return malformed('issued_at');
  const expiresAt = instantOf(message.expiresAt);
  if (expiresAt === null) return malformed('expires_at');
  const sameTap = message.sameTap === undefined ? ok(null) : sameTapFromWire(message.sameTap);
  if (!sameTap.ok) return sameTap;
  return ok({
    id: grantId,
    nonce: message.nonce,
    deviceId,
    thumbprint: sessionKeyThumbprint,
    acquirer,
    terms: terms.value,
    pinKsn: pinKsn.value,
    accountDataKsn: accountDataKsn.value,
    sequence: message.sequence,
    expectedVerification,
    pinAllowed: message.pinAllowed,
    issuedAt,
    expiresAt,
    policyVersion,
    sameTap: sameTap.value,
  });
}

function sameTapToWire({ parentId, rootId, rootHash, hash, attempt }: SameTap): WireSameTap {
  const rootGrantHash = rootHash ?? Buffer.alloc(0);
  return { parentGrantId: parentId, rootGrantId: rootId, rootGrantHash, tapHash: hash, attempt };
}

function sameTapFromWire(message: WireSameTap): Result<SameTap, 'MALFORMED_MESSAGE'> {
  const { parentGrantId, rootGrantId, attempt } = message;
  if (!isUuid(parentGrantId) || !isUuid(rootGrantId)) return malformed('same_tap');
  const rootHash =
    message.rootGrantHash.length === 0 ? ok(null) : exactBytes(message.rootGrantHash, 32, 'same_tap.root_grant_hash');
  if (!rootHash.ok) return rootHash;
  const hash = exactBytes(message.tapHash, 32, 'same_tap.tap_hash');
  if (!hash.ok) return hash;
  if (attempt < 2) return malformed('same_tap.attempt');
  return ok({ parentId: parentGrantId, rootId: rootGrantId, rootHash: rootHash.value, hash: hash.value, attempt });
}

/** Serialises an intent: the bytes that the phone signs. */
export function encodeIntent(intent: PaymentIntent): Buffer {
  return Buffer.from(
    WireIntent.encode({
      acquirer: intent.acquirer,
      sessionKeyThumbprint: intent.thumbprint,
      grantId: intent.grantId,
      terms: termsToWire(intent.terms),
      emvData: intent.emvData,
      accountData: accountDataToWire(intent.accountData),
      claimedVerification: keyFor(VERIFICATIONS, intent.claimedVerification),
      pinKsn: intent.pin?.ksn ?? Buffer.alloc(0),
      pinBlockHash: intent.pin?.blockHash ?? Buffer.alloc(0),
    }).finish(),
  );
}

/** Parses an intent's signed bytes; refused where it carries a PIN block and claims that none was entered. */
export function decodeIntent(payload: Uint8Array): Result<PaymentIntent, 'MALFORMED_MESSAGE'> {
  const decoded = decodeMessage(WireIntent, payload);
  if (!decoded.ok) return decoded;
  const message = decoded.value;
  const { acquirer, sessionKeyThumbprint, grantId } = message;
  const unfit = unfitName({ acquirer, session_key_thumbprint: sessionKeyThumbprint, grant_id: grantId });
  if (unfit !== null) return malformed(unfit);
  const terms = termsFromWire(message.terms);
  if (!terms.ok) return terms;
  const accountData = accountDataFromWire(message.accountData);
  if (!accountData.ok) return accountData;
  const claimedVerification = VERIFICATIONS.get(message.claimedVerification);
  if (claimedVerification === undefined) return malformed('claimed_verification');
  const pin = pinOfIntent(message);
  if (!pin.ok) return pin;
  if (pin.value !== null && claimedVerification !== 'online-pin') return malformed('claimed_verification');
  return ok({
    acquirer,
    thumbprint: sessionKeyThumbprint,
    grantId,
    terms: terms.value,
    emvData: message.emvData,
    accountData: accountData.value,
    claimedVerification,
    pin: pin.value,
  });
}

function pinOfIntent(message: WireIntent): Result<PaymentIntent['pin'], 'MALFORMED_MESSAGE'> {
  if (message.pinKsn.length === 0 && message.pinBlockHash.length === 0) return ok(null);
  const ksn = exactBytes(message.pinKsn, 12, 'pin_ksn');
  if (!ksn.ok) return ksn;
  const blockHash = exactBytes(message.pinBlockHash, 32, 'pin_block_hash');
  return blockHash.ok ? ok({ ksn: ksn.value, blockHash: blockHash.value }) : blockHash;
}
