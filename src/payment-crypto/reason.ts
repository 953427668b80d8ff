import type { Result } from '../reasons/result.ts';

/** Why a key, KSN or DUKPT call was refused. */
export type KeyReason =
  | 'KEY_LENGTH'
  | 'KEY_ALGORITHM'
  | 'KSN_MALFORMED'
  | 'KSN_COUNTER'
  | 'KEY_STRONGER_THAN_PARENT'
  | 'DUKPT_EXHAUSTED'
  | 'REGISTERS_MALFORMED';

/** Why a key block was refused, on import or on export. */
export type KeyBlockReason =
  | 'KEY_BLOCK_LENGTH'
  | 'KEY_BLOCK_CHARACTER'
  | 'KEY_BLOCK_VERSION'
  | 'KEY_BLOCK_ATTRIBUTE'
  | 'OPTIONAL_BLOCK_COUNT'
  | 'OPTIONAL_BLOCK_ID'
  | 'OPTIONAL_BLOCK_LENGTH'
  | 'OPTIONAL_BLOCK_CONTENT'
  | 'OPTIONAL_BLOCK_DUPLICATE'
  | 'KBPK_ALGORITHM'
  | 'KBPK_WEAKER_THAN_KEY'
  | 'KEY_BLOCK_MAC'
  | 'KEY_BLOCK_PAYLOAD'
  | 'KEY_CHECK_VALUE'
  | 'DEVIATION_NOT_ACCEPTED'
  | 'KEY_LENGTH';

/** Why a PIN, a PAN, a PIN block or a translation was refused; never says which digit. */
export type PinBlockReason =
  | 'PIN_MALFORMED'
  | 'PAN_MALFORMED'
  | 'PAN_REQUIRED'
  | 'PIN_BLOCK_INVALID'
  | 'PIN_BLOCK_FORMAT'
  | 'PIN_TRANSLATION_FORBIDDEN'
  | 'KEY_ALGORITHM';

/** Why a key transport was refused. */
export type KeyTransportReason =
  | 'PUBLIC_KEY_INVALID'
  | 'OAEP_MODULUS'
  | 'OAEP_MESSAGE_LENGTH'
  | 'OAEP_INVALID'
  | 'WRAPPER_MALFORMED'
  | 'WRAPPER_TAG'
  | 'KEY_LENGTH';

/** Every refusal of this folder. */
export type PaymentCryptoReason = KeyReason | KeyBlockReason | PinBlockReason | KeyTransportReason;

/** A value or a refusal of payment cryptography. */
export type PaymentResult<T, R extends PaymentCryptoReason = PaymentCryptoReason> = Result<T, R>;
