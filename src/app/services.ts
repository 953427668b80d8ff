import type { ListenerService } from '../server/transport/service.ts';
import { adminServices } from './admin-services.ts';
import { deviceServices } from './device-services.ts';
import { type Foundations, groundwork } from './foundations.ts';
import { processingServices } from './processing-services.ts';

/** The services of each listener. */
export interface ServicesByPlane {
  readonly device: readonly ListenerService[];
  readonly processing: readonly ListenerService[];
  readonly admin: readonly ListenerService[];
}

/** Wires rooms to stores, vault and policy: nothing is decided here. */
export function wireServices(on: Foundations): ServicesByPlane {
  const shared = groundwork(on);
  return {
    device: deviceServices(on, shared),
    processing: processingServices(on, shared),
    admin: adminServices(on, shared),
  };
}
