const COMPACT = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?Z$/;
const DELIMITED = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{2}))?Z$/;

/**
 * Reads a time of blocks TC and TS: YYYYMMDDhhmmss[cc]Z or YYYY-MM-DDThh:mm:ss[.cc]Z, in milliseconds of Unix time
 * (X9.143:2021 6.3.6.13). Undefined where the text is neither, or no such time exists.
 */
export function parseUtc(text: string): number | undefined {
  const match = COMPACT.exec(text) ?? DELIMITED.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, centi = 0] = match
    .slice(1)
    .map((part) => Number(part ?? 0));
  const at = Date.UTC(year, month - 1, day, hour, minute, second, centi * 10);
  const back = new Date(at);
  const exists =
    back.getUTCFullYear() === year &&
    back.getUTCMonth() === month - 1 &&
    back.getUTCDate() === day &&
    back.getUTCHours() === hour &&
    back.getUTCMinutes() === minute &&
    back.getUTCSeconds() === second;
  return exists ? at : undefined;
}

/** Writes a time as YYYYMMDDhhmmssZ; parts of a second are dropped. */
export function formatUtc(at: number): string {
  return Number.isFinite(at) && Math.abs(at) <= 8.64e15
    ? `${new Date(at).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`
    : '';
}
