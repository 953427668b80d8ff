// A service that starts the embedded database of a folder and then stays until it is killed.
import { startEmbedded } from '../../../../src/store/sql/engine/embedded.ts';

const [folder = ''] = process.argv.slice(2);
const send = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

try {
  const database = await startEmbedded({ folder });
  // Ready for the signal before anybody hears that it may be sent.
  process.once('SIGTERM', () => {
    void database.stop().then(() => process.exit(0));
  });
  send({ pid: database.pid, connection: database.connection });
} catch (error) {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  send({ code, message: String(error) });
  process.exit(1);
}
