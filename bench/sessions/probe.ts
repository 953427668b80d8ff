import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const PROBE = new URL('../memory-probe.ts', import.meta.url);

/** Names the Unix socket at which a probed process answers. */
export const PROBE_VARIABLE = 'TAPGATE_BENCH_PROBE';

/** Bytes that a process holds, garbage collected. */
export interface Held {
  readonly heapUsed: number;
  /** Outside of the heap, and known to it: buffers. */
  readonly external: number;
  /** Resident, with what native code holds and what an allocator keeps. */
  readonly rss: number;
}

/** How a Node program is started so that it can be asked what it holds. */
export interface Probe {
  /** Before the program. */
  readonly nodeArguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  held(): Promise<Held>;
}

/** A probe that answers at a Unix socket of this path. */
export function probeAt(socket: string): Probe {
  return {
    nodeArguments: ['--expose-gc', '--import', fileURLToPath(PROBE)],
    environment: { [PROBE_VARIABLE]: socket },
    held: async () => {
      const connection = connect(socket);
      await once(connection, 'connect');
      return JSON.parse(await text(connection)) as Held;
    },
  };
}

/** Bytes of heap and external memory that were added between two looks. */
export function addedBytes(before: Held, after: Held): number {
  return after.heapUsed + after.external - before.heapUsed - before.external;
}
