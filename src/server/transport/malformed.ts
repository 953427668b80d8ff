import type { ServiceDefinition } from '@grpc/grpc-js';

/** Stands for a message whose bytes are not of the method's type. */
export class MalformedMessage {}

/**
 * The same definition, whose deserializers answer a MalformedMessage instead of throwing.
 *
 * grpc-js ends a call with INTERNAL and no details where a deserializer throws; the handlers of the edge refuse with
 * MALFORMED_MESSAGE.
 */
export function tolerateMalformed(definition: ServiceDefinition): ServiceDefinition {
  const tolerant = Object.entries(definition).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return method.requestDeserialize(bytes);
      } catch {
        return new MalformedMessage();
      }
    };
    return [name, { ...method, requestDeserialize }] as const;
  });
  return Object.fromEntries(tolerant);
}
