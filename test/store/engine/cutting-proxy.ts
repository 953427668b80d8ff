import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { DatabaseAddress } from '../../../src/store/sql/engine/pool.ts';

/** When the connection is cut: `before` the database hears COMMIT, or `after` it has committed and before its answer. */
export type Cut = 'before' | 'after' | 'never';

/** A way to the database that can be cut around a COMMIT. */
export interface CuttingProxy {
  readonly address: DatabaseAddress;
  cut: Cut;
  close(): Promise<void>;
}

/** Starts a proxy on the loopback interface in front of the database's Unix socket. */
export async function cuttingProxy(target: DatabaseAddress): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const database = connect(join(target.host, `.s.PGSQL.${target.port}`));
    const end = () => {
      client.destroy();
      database.destroy();
    };
    for (const socket of [client, database]) {
      sockets.add(socket);
      socket.on('error', end);
      socket.on('close', end);
    }
    let committing = false;
    client.on('data', (chunk) => {
      committing = proxy.cut !== 'never' && chunk.includes('COMMIT');
      if (committing && proxy.cut === 'before') end();
      else database.write(chunk);
    });
    database.on('data', (chunk) => {
      if (committing) end();
      else client.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the proxy has no port');
  const proxy: CuttingProxy = {
    address: { ...target, host: '127.0.0.1', port: bound.port },
    cut: 'never',
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}
