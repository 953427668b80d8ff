import type { World } from '../world/world.ts';

/** One step of what the service is there for; answers a line of what happened, throws where it did not. */
export interface DemoStep {
  readonly name: string;
  run(world: World): Promise<string>;
}
