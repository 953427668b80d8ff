import type { Reason } from './catalogue.ts';

/** A refusal: an expected failure as a value. `detail` is for operators' logs and never holds a secret. */
export interface Refusal<R extends string = Reason> {
  readonly ok: false;
  readonly reason: R;
  readonly detail?: string;
}

/** A value or the reason why there is none. */
export type Result<T, R extends string = Reason> = { readonly ok: true; readonly value: T } | Refusal<R>;

/** Wraps a value as a successful result. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** Makes a refusal with a reason of the catalogue. */
export function refuse<R extends string>(reason: R, detail?: string): Refusal<R> {
  return detail === undefined ? { ok: false, reason } : { ok: false, reason, detail };
}
