import type { StatusList } from '../../attestation/android/revocation.ts';

/** A list that lists other certificates than the one before. */
export interface StatusListChange {
  readonly list: StatusList;
  /** Serial numbers that are listed now and were not: all of them where there was no list. */
  readonly listed: readonly string[];
  /** Serial numbers that are listed no more. */
  readonly unlisted: readonly string[];
}

/** What a list changes; null for nothing. Other words for the same certificate change nothing: every status refuses. */
export function changeOf(before: StatusList | null, list: StatusList): StatusListChange | null {
  const listed = [...list.entries.keys()].filter((serial) => !before?.entries.has(serial));
  const unlisted = [...(before?.entries.keys() ?? [])].filter((serial) => !list.entries.has(serial));
  return listed.length + unlisted.length === 0 ? null : { list, listed, unlisted };
}
