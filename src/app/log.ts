import pino, { type Logger } from 'pino';

/** Names under which a secret could slip into a log line; what stands there is dropped. */
const NEVER = ['token', 'deviceToken', 'inviteCode', 'pin', 'pinBlock', 'block', 'pan', 'key', 'privateKey'];

/** The service's log: JSON lines on standard error, so that standard output stays for people and scripts. */
export function createLogger(level: string, name: string): Logger {
  return pino(
    {
      name,
      level,
      redact: { paths: NEVER.flatMap((field) => [field, `*.${field}`]), remove: true },
      serializers: { err: (error: unknown) => describeError(error) },
    },
    pino.destination({ fd: 2, sync: false }),
  );
}

/** Name, code and message of an error; never its other fields, which may hold values. */
function describeError(error: unknown): Record<string, unknown> {
  if (typeof error !== 'object' || error === null) return { message: String(error) };
  const { name, code, message, stack } = error as {
    name?: unknown;
    code?: unknown;
    message?: unknown;
    stack?: unknown;
  };
  return { name, code, message, stack };
}
