/** Constants of Cryptoki 2.40 (OASIS PKCS #11 base specification, header pkcs11t.h), as far as the vault uses them. */

/** Classes of objects (CKO). */
export const CKO = { PUBLIC_KEY: 2, PRIVATE_KEY: 3, SECRET_KEY: 4 } as const;

/** Types of keys (CKK). */
export const CKK = { EC: 0x03, GENERIC_SECRET: 0x10, AES: 0x1f } as const;

/** Attributes (CKA). */
export const CKA = {
  CLASS: 0x000,
  TOKEN: 0x001,
  PRIVATE: 0x002,
  LABEL: 0x003,
  VALUE: 0x011,
  KEY_TYPE: 0x100,
  ID: 0x102,
  SENSITIVE: 0x103,
  ENCRYPT: 0x104,
  DECRYPT: 0x105,
  WRAP: 0x106,
  UNWRAP: 0x107,
  SIGN: 0x108,
  VERIFY: 0x10a,
  DERIVE: 0x10c,
  VALUE_LEN: 0x161,
  EXTRACTABLE: 0x162,
  LOCAL: 0x163,
  NEVER_EXTRACTABLE: 0x164,
  ALWAYS_SENSITIVE: 0x165,
  MODIFIABLE: 0x170,
  EC_PARAMS: 0x180,
  EC_POINT: 0x181,
} as const;

/** Mechanisms (CKM). */
export const CKM = {
  GENERIC_SECRET_KEY_GEN: 0x350,
  SHA256_HMAC: 0x251,
  EC_KEY_PAIR_GEN: 0x1040,
  ECDSA: 0x1041,
  AES_KEY_GEN: 0x1080,
  AES_ECB: 0x1081,
} as const;

/** Flags of tokens, sessions and the library (CKF). */
export const CKF = {
  RW_SESSION: 0x2,
  SERIAL_SESSION: 0x4,
  OS_LOCKING_OK: 0x2,
  USER_PIN_INITIALIZED: 0x8,
  USER_PIN_FINAL_TRY: 0x2_0000,
  USER_PIN_LOCKED: 0x4_0000,
  USER_PIN_TO_BE_CHANGED: 0x8_0000,
} as const;

/** The normal user (CKU). */
export const CKU_USER = 1;

/** Return values (CKR) that mean something to the vault; others are told by their number. */
export const CKR = {
  OK: 0x000,
  GENERAL_ERROR: 0x005,
  FUNCTION_FAILED: 0x006,
  ATTRIBUTE_SENSITIVE: 0x011,
  ATTRIBUTE_TYPE_INVALID: 0x012,
  DEVICE_ERROR: 0x030,
  DEVICE_MEMORY: 0x031,
  DEVICE_REMOVED: 0x032,
  KEY_HANDLE_INVALID: 0x060,
  KEY_FUNCTION_NOT_PERMITTED: 0x068,
  KEY_UNEXTRACTABLE: 0x06a,
  MECHANISM_INVALID: 0x070,
  OBJECT_HANDLE_INVALID: 0x082,
  OPERATION_ACTIVE: 0x090,
  PIN_INCORRECT: 0x0a0,
  PIN_INVALID: 0x0a1,
  PIN_LEN_RANGE: 0x0a2,
  PIN_EXPIRED: 0x0a3,
  PIN_LOCKED: 0x0a4,
  SESSION_CLOSED: 0x0b0,
  SESSION_HANDLE_INVALID: 0x0b3,
  TOKEN_NOT_PRESENT: 0x0e0,
  TOKEN_NOT_RECOGNIZED: 0x0e1,
  USER_ALREADY_LOGGED_IN: 0x100,
  USER_NOT_LOGGED_IN: 0x101,
  USER_PIN_NOT_INITIALIZED: 0x102,
  CRYPTOKI_NOT_INITIALIZED: 0x190,
  CRYPTOKI_ALREADY_INITIALIZED: 0x191,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(CKR).map(([name, value]) => [value, `CKR_${name}`]));

/** `CKR_DEVICE_REMOVED`, or `CKR 0x80000001` of a value that the vault does not know. */
export function nameOfReturn(value: number): string {
  return NAMES.get(value) ?? `CKR 0x${value.toString(16)}`;
}
