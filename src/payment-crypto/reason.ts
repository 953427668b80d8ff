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

/** Why a credential or a token of TR-34 was refused. */
export type Tr34Reason =
  /** Not the DER of such a token or certificate, or over a limit; the detail says what. */
  | 'TR34_MALFORMED'
  /** A one-pass, unbind or rebind token. */
  | 'TR34_NOT_SUPPORTED'
  /** An algorithm or parameter other than the ones that TR-34 names. */
  | 'TR34_ALGORITHM'
  /** A certificate that its authority did not issue, or not for this use. */
  | 'TR34_CERTIFICATE'
  | 'TR34_CERTIFICATE_EXPIRED'
  | 'TR34_CERTIFICATE_REVOKED'
  /** A revocation list of another issuer, or one that it did not sign. */
  | 'TR34_CRL'
  | 'TR34_CRL_STALE'
  /** A signed attribute that is missing, twice there or unreadable, or attributes that are not signed. */
  | 'TR34_ATTRIBUTE'
  /** Signed, or said to be sent, by another host than the bound one. */
  | 'TR34_SIGNER'
  | 'TR34_SIGNATURE'
  | 'TR34_DIGEST'
  | 'TR34_RECIPIENT'
  | 'TR34_RANDOM_NUMBER'
  | 'TR34_HEADER'
  | 'TR34_HEADER_MISMATCH'
  | 'TR34_DECRYPTION'
  /** A departure from the standard, named by the detail, that the caller did not tolerate. */
  | 'TR34_DEVIATION'
  | 'KEY_LENGTH'
  | 'OAEP_MODULUS';

/** Every refusal of this folder. */
export type PaymentCryptoReason = KeyReason | KeyBlockReason | PinBlockReason | KeyTransportReason | Tr34Reason;

/** A value or a refusal of payment cryptography. */
export type PaymentResult<T, R extends PaymentCryptoReason = PaymentCryptoReason> = Result<T, R>;
