/**
 * Redis does not answer, not in time, or with an error: nothing is known and nothing was decided. `reason` is a code
 * (`ECONNREFUSED`, `LATE`, `OOM`), never a message of Redis: its error messages repeat arguments, and so may hold a
 * password.
 */
export class VolatileStoreUnavailable extends Error {
  readonly code = 'VOLATILE_STORE_UNAVAILABLE';
  readonly reason: string;

  constructor(reason: string) {
    super(`the volatile store is unavailable: ${reason}`);
    this.name = 'VolatileStoreUnavailable';
    this.reason = reason;
  }
}

const LONGEST_CODE = 40;

function textOf(error: object, field: string): string {
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' ? value : '';
}

/**
 * The code of a failure: the system's (`ECONNREFUSED`), the first word of Redis's answer (`WRONGPASS`), or the name of
 * the client's own error.
 */
export function failureCode(error: unknown): string {
  if (error instanceof VolatileStoreUnavailable) return error.reason;
  if (typeof error !== 'object' || error === null) return 'UNKNOWN';
  const answered = /^[A-Z]+(?= )/.exec(textOf(error, 'message'))?.[0] ?? '';
  const className: unknown = error.constructor?.name;
  const code = textOf(error, 'code') || answered || (typeof className === 'string' ? className : '');
  return /^\w+$/.test(code) && code.length <= LONGEST_CODE ? code : 'UNKNOWN';
}
