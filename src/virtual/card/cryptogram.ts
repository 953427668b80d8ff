import { cmac, verifyCmac } from '../../payment-crypto/cmac.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';

const CRYPTOGRAM_BYTES = 8;
const BLOCK_NIBBLES = 32;

/** What the card signs, in this order: EMV Book 2 8.1.1 and the issuer application data. */
const SIGNED_TAGS = ['9F02', '9F03', '9F1A', '95', '5F2A', '9A', '9C', '9F37', '82', '9F36', '9F10'] as const;
const LENGTHS: Readonly<Record<(typeof SIGNED_TAGS)[number], readonly [number, number]>> = {
  '9F02': [6, 6],
  '9F03': [6, 6],
  '9F1A': [2, 2],
  '95': [5, 5],
  '5F2A': [2, 2],
  '9A': [3, 3],
  '9C': [1, 1],
  '9F37': [4, 4],
  '82': [2, 2],
  '9F36': [2, 2],
  '9F10': [1, 32],
};

function checkAes(key: SecretKey): void {
  if (key.algorithm !== 'AES' || key.length !== 16) throw new RangeError('an issuer master key is an AES-128 key');
}

/**
 * The card's master key (AES-128) from the issuer's: AES(issuer master key, PAN || PAN sequence number padded with zeros
 * on the left) (EMV Book 2 A1.4.3, Option C: Option A's derivation for AES). The caller wipes it. Throws RangeError for
 * a key that is not AES-128.
 */
export function deriveCardKey(issuerMasterKey: SecretKey, pan: string, sequenceNumber: number): SecretKey {
  checkAes(issuerMasterKey);
  const digits = `${pan}${sequenceNumber.toString().padStart(2, '0')}`.padStart(BLOCK_NIBBLES, '0');
  return SecretKey.ofOwned('AES', issuerMasterKey.encipher(Buffer.from(digits, 'hex')));
}

/** The session key of one transaction: AES(card key, ATC || 00…) (EMV Book 2 A1.3.1). */
function sessionKey(cardKey: SecretKey, transactionCounter: Uint8Array): SecretKey {
  const diversifier = Buffer.alloc(16);
  diversifier.set(transactionCounter);
  return SecretKey.ofOwned('AES', cardKey.encipher(diversifier));
}

function signedBytes(icc: ReadonlyMap<string, Uint8Array>): Buffer | null {
  const values: Uint8Array[] = [];
  for (const tag of SIGNED_TAGS) {
    const value = icc.get(tag);
    const [least, most] = LENGTHS[tag];
    if (value === undefined || value.length < least || value.length > most) return null;
    values.push(value);
  }
  return Buffer.concat(values);
}

/**
 * The application cryptogram over ICC data by tag: 8 bytes, the left half of AES-CMAC under the transaction's session
 * key (EMV Book 2 8.1.2). Null where a signed tag is missing or not of its length.
 */
export function applicationCryptogram(cardKey: SecretKey, icc: ReadonlyMap<string, Uint8Array>): Buffer | null {
  const message = signedBytes(icc);
  if (message === null) return null;
  using key = sessionKey(cardKey, icc.get('9F36')!);
  return Buffer.from(cmac(key, message).subarray(0, CRYPTOGRAM_BYTES));
}

/** True where tag 9F26 is the card's cryptogram over the other tags; compared in constant time. */
export function verifyApplicationCryptogram(cardKey: SecretKey, icc: ReadonlyMap<string, Uint8Array>): boolean {
  const message = signedBytes(icc);
  const received = icc.get('9F26');
  if (message === null || received?.length !== CRYPTOGRAM_BYTES) return false;
  using key = sessionKey(cardKey, icc.get('9F36')!);
  return verifyCmac(key, message, received);
}
