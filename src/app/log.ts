import pino, { type DestinationStream, type Logger } from 'pino';
import { redactFields, redactText, redactValue } from './redact.ts';

/** What pino's hook hands on: fields, text and the values that the text is filled with, of which none is believed. */
function redactedArguments(given: readonly unknown[]): [Record<string, unknown>, ...unknown[]] {
  const [first, ...rest] = given;
  const fields = typeof first === 'object' && first !== null ? redactFields(first) : {};
  const text = typeof first === 'object' && first !== null ? rest : given;
  return [fields, ...text.map((one) => (typeof one === 'string' ? redactText(one) : redactValue(one)))];
}

/**
 * The service's log: JSON lines, by default on standard error, so that standard output stays for people and scripts.
 * Whatever is logged, as a field, in a text or as the binding of a child, is redacted by its type; see `redactFields`.
 */
export function createLogger(
  level: string,
  name: string,
  destination: DestinationStream = pino.destination({ fd: 2, sync: false }),
): Logger {
  const logger = pino(
    {
      name,
      level,
      // Redacted before pino sees it; its own serializer would look at errors again.
      serializers: { err: (value: unknown) => value },
      hooks: {
        logMethod(given, method) {
          Reflect.apply(method, this, redactedArguments(given));
        },
      },
    },
    destination,
  );
  // Children inherit it: what is bound goes into lines past the hook.
  const child = logger.child;
  Object.defineProperty(logger, 'child', {
    value(this: Logger, bindings: object, options?: object): Logger {
      return Reflect.apply(child, this, [redactFields(bindings), options]) as Logger;
    },
  });
  return logger;
}
