/** Fields of a log line: names, codes and numbers. No payload, no key, no PIN, no text of an exception. */
export type LogFields = Readonly<Record<string, string | number>>;

/** Takes one event of the vault. */
export type VaultLog = (event: string, fields?: LogFields) => void;

/** A log that writes one JSON object a line. */
export function jsonLog(write: (line: string) => void, now: () => Date): VaultLog {
  return (event, fields = {}) => write(`${JSON.stringify({ time: now().toISOString(), event, ...fields })}\n`);
}

/** The class of an exception, which is all that is logged of it: its text may quote what it was thrown at. */
export function classOf(exception: unknown): string {
  const name = typeof exception === 'object' && exception !== null && 'name' in exception ? exception.name : undefined;
  return typeof name === 'string' ? name : typeof exception;
}

/** The event that says that the vault listens. */
export const READY_EVENT = 'ready';
