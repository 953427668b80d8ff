import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import type { Edge } from './context.ts';
import type { Conversation } from './exchange.ts';
import { conversationHandler } from './handlers.ts';
import { conversation } from './service.ts';

/** `tapgate.v1.PinEntryService` is declared in `tapgate/v1/pin_entry_service.proto` (buf's STANDARD rules). */
function fileOf(service: string): string {
  const parts = service.split('.');
  const snake = parts
    .pop()!
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '_')
    .toLowerCase();
  return join(...parts, `${snake}.proto`);
}

/** The library's answer to one request: it writes exactly one message for each. */
function answerOf(handle: (stream: EventEmitter) => void, request: unknown): unknown {
  let answer: unknown;
  const stream = Object.assign(new EventEmitter(), {
    write: (message: unknown) => {
      answer = message;
    },
    end: () => {},
  });
  handle(stream);
  stream.emit('data', request);
  return answer;
}

/**
 * Adds server reflection (v1 and v1alpha) that knows the named services and what their files import, and no other
 * service. The library answers without bounds; here it runs inside a bounded conversation.
 */
export function addReflection(server: Server, services: readonly string[], protoDirectory: string, edge: Edge): void {
  const files = services.map(fileOf).filter((file) => existsSync(join(protoDirectory, file)));
  if (files.length !== services.length) throw new Error(`a service of ${services.join(', ')} has no proto file`);
  const loaded = loadSync(files, { includeDirs: [protoDirectory], keepCase: true });
  new ReflectionService(loaded, { services: [...services] }).addToServer({
    addService: (definition: ServiceDefinition, implementation: UntypedServiceImplementation) => {
      const bounded = Object.entries(definition).map(([name, { path }]) => {
        const handle = implementation[name] as unknown as (stream: EventEmitter) => void;
        const run = async (asked: Conversation<unknown, unknown>): Promise<void> => {
          for (let request = await asked.next(); request !== null; request = await asked.next()) {
            await asked.send(answerOf(handle, request));
          }
        };
        return [name, conversationHandler(path, conversation(run), edge)] as const;
      });
      server.addService(definition, Object.fromEntries(bounded) as UntypedServiceImplementation);
    },
  });
}
