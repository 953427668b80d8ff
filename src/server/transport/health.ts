import type { Server, ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { HealthImplementation, service as healthService } from 'grpc-health-check';
import { statusOf } from '../../wire/status.ts';
import { audienceOf, type Edge } from './context.ts';
import { CallRefused } from './refused.ts';

/** grpc.health.v1 of one listener: the empty name stands for the whole, the others for its services. */
export class ListenerHealth {
  readonly #names: readonly string[];
  readonly #health = new HealthImplementation();

  constructor(services: readonly string[]) {
    this.#names = ['', ...services];
    this.set(false);
  }

  set(serving: boolean): void {
    for (const name of this.#names) this.#health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  }

  /** Watchers count as open calls, so that they are bounded and end when the listener drains. */
  addTo(server: Server, { openCalls, plane, random }: Edge): void {
    this.#health.addToServer({
      addService: (_, implementation: UntypedServiceImplementation) => {
        const watch = implementation.watch as (call: ServerWritableStream<unknown, unknown>) => void;
        const bounded = (call: ServerWritableStream<unknown, unknown>): void => {
          const end = () => void call.end();
          try {
            call.once('cancelled', openCalls.enter({ drain: end, cut: end }));
            watch(call);
          } catch (cause) {
            if (!(cause instanceof CallRefused)) throw cause;
            call.emit('error', statusOf(cause.reasons, { audience: audienceOf(plane), random }));
          }
        };
        server.addService(healthService, { ...implementation, watch: bounded });
      },
    });
  }
}
