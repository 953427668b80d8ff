// Loaded into a server before its own program: tells whoever connects what the process holds, garbage collected.
import { createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { PROBE_VARIABLE } from './sessions/probe.ts';

const place = process.env[PROBE_VARIABLE];
if (place === undefined || globalThis.gc === undefined) throw new Error(`needs ${PROBE_VARIABLE} and --expose-gc`);
const collect = globalThis.gc;

const server = createServer(async (socket) => {
  socket.on('error', () => {});
  // What finalizers let go in one turn is garbage in the next.
  for (let turns = 0; turns < 3; turns += 1) {
    collect();
    await turn();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  socket.end(JSON.stringify({ heapUsed, external, rss }));
});
server.listen(place);
server.unref();
