/** Size of CK_ULONG and of a pointer: the module is built for a 64-bit Unix (LP64). */
export const WORD = 8;

/**
 * Functions of Cryptoki 2.40 that the vault calls: place in CK_FUNCTION_LIST, and parameters (`u` CK_ULONG, `p` pointer,
 * `b` CK_BBOOL).
 */
export const FUNCTIONS = {
  C_Initialize: [0, 'p'],
  C_Finalize: [1, 'p'],
  C_GetSlotList: [4, 'bpp'],
  C_GetTokenInfo: [6, 'up'],
  C_OpenSession: [12, 'uuppp'],
  C_CloseSession: [13, 'u'],
  C_Login: [18, 'uupu'],
  C_CreateObject: [20, 'upup'],
  C_DestroyObject: [22, 'uu'],
  C_GetAttributeValue: [24, 'uupu'],
  C_FindObjectsInit: [26, 'upu'],
  C_FindObjects: [27, 'upup'],
  C_FindObjectsFinal: [28, 'u'],
  C_EncryptInit: [29, 'upu'],
  C_Encrypt: [30, 'upupp'],
  C_SignInit: [42, 'upu'],
  C_Sign: [43, 'upupp'],
  C_GenerateKey: [58, 'uppup'],
  C_GenerateKeyPair: [59, 'uppupupp'],
} as const satisfies Record<string, readonly [number, string]>;

/** A function of Cryptoki. */
export type FunctionName = keyof typeof FUNCTIONS;

/** Functions in the order of their numbers between the threads. */
export const FUNCTION_NAMES = Object.keys(FUNCTIONS) as FunctionName[];

/** Most parameters that a function takes. */
const MOST_PARAMETERS = 8;

/** What the two threads share, in bytes: state and function number (32 bits each), return value, parameters (64 bits each). */
export const SHARED = { returnedAt: 1, parametersAt: 2, bytes: WORD * (2 + MOST_PARAMETERS) } as const;

/** State of the call between the threads. */
export const CALL_STATE = { idle: 0, called: 1, returned: 2 } as const;
