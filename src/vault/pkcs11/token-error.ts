import { CKR, nameOfReturn } from './constants.ts';

/** After these a session, a login or a handle is worth nothing any more: what comes next begins with a new session. */
const ENDS_SESSION: ReadonlySet<number> = new Set([
  CKR.GENERAL_ERROR,
  CKR.FUNCTION_FAILED,
  CKR.DEVICE_ERROR,
  CKR.DEVICE_MEMORY,
  CKR.DEVICE_REMOVED,
  CKR.KEY_HANDLE_INVALID,
  CKR.OBJECT_HANDLE_INVALID,
  CKR.OPERATION_ACTIVE,
  CKR.SESSION_CLOSED,
  CKR.SESSION_HANDLE_INVALID,
  CKR.TOKEN_NOT_PRESENT,
  CKR.TOKEN_NOT_RECOGNIZED,
  CKR.USER_NOT_LOGGED_IN,
  CKR.CRYPTOKI_NOT_INITIALIZED,
]);

/** Return values by which a token says that it does not want this PIN. */
const REFUSES_PIN: ReadonlySet<number> = new Set([
  CKR.PIN_INCORRECT,
  CKR.PIN_INVALID,
  CKR.PIN_LEN_RANGE,
  CKR.PIN_EXPIRED,
  CKR.PIN_LOCKED,
]);

/**
 * A token that did not do what it was asked. Thrown, as of any lost dependency: the vault answers VAULT_UNAVAILABLE.
 * Its text names function and return value, and nothing that was passed.
 */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  /** `C_Sign CKR_DEVICE_REMOVED`. */
  readonly detail: string;
  readonly endsSession: boolean;
  readonly refusesPin: boolean;

  constructor(detail: string, returned: number | null = null) {
    super(detail);
    this.detail = detail;
    this.endsSession = returned !== null && ENDS_SESSION.has(returned);
    this.refusesPin = returned !== null && REFUSES_PIN.has(returned);
  }

  /** The error of a function that returned another value than CKR_OK. */
  static of(called: string, returned: number): TokenError {
    return new TokenError(`${called} ${nameOfReturn(returned)}`, returned);
  }
}
