import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { EXIT } from './exit-code.ts';
import { harden } from './harden.ts';
import { wipeKeys } from './keys.ts';
import { Custodian } from './keystore/custodian.ts';
import { classOf, jsonLog, READY_EVENT, type VaultLog } from './log.ts';
import { startVaultServer } from './server.ts';

/** Time that open streams have to end after SIGTERM, in milliseconds. */
const DRAIN_MILLISECONDS = 10_000;

const USAGE = 'usage: node main.ts --directory KEYSTORE --socket PATH [--standalone]\n';

interface Arguments {
  readonly directory: string;
  readonly socket: string;
  /** Without it the process lives no longer than its standard input: a parent that dies takes its vault with it. */
  readonly standalone: boolean;
}

function readArguments(): Arguments | null {
  try {
    const { values } = parseArgs({
      options: { directory: { type: 'string' }, socket: { type: 'string' }, standalone: { type: 'boolean' } },
    });
    const { directory, socket, standalone = false } = values;
    return directory === undefined || socket === undefined ? null : { directory, socket, standalone };
  } catch {
    return null;
  }
}

async function run({ directory, socket, standalone }: Arguments, log: VaultLog): Promise<void> {
  harden(log);
  const ports = { random: { bytes: (length: number) => randomBytes(length) }, clock: { now: () => new Date() } };
  const loaded = Custodian.open(directory, ports);
  if (!loaded.ok) {
    log('keystore refused', { fault: loaded.reason, detail: loaded.detail ?? '' });
    process.exit(EXIT.keystoreRefused);
  }
  const custodian = loaded.value;
  const server = await startVaultServer({ socket, custodian, ports, log });
  if (!server.ok) {
    log('socket refused', { fault: server.reason, detail: server.detail ?? '' });
    process.exit(EXIT.socketRefused);
  }
  const end = (event: string): void => {
    log(event);
    server.value.stop();
    wipeKeys(custodian.keys);
    process.exit(EXIT.stopped);
  };
  const drain = (): void => void server.value.drain(DRAIN_MILLISECONDS).then(() => end('drained'));
  process.once('SIGTERM', drain);
  process.once('SIGINT', drain);
  process.on('SIGHUP', () => {
    const reloaded = custodian.reload();
    if (reloaded.ok) log('keystore reloaded');
    else {
      log('reload refused', { fault: reloaded.reason, detail: reloaded.detail ?? '' });
    }
  });
  if (!standalone) {
    process.stdin.on('end', () => end('parent gone'));
    process.stdin.on('error', () => end('parent gone'));
    process.stdin.resume();
  }
  log(READY_EVENT);
}

const log = jsonLog(
  (line) => void process.stdout.write(line),
  () => new Date(),
);
process.stdout.on('error', () => process.exit(EXIT.stopped));
process.on('uncaughtException', (exception) => {
  log('crashed', { exception: classOf(exception) });
  process.exit(EXIT.failed);
});
const given = readArguments();
if (given === null) {
  process.stderr.write(USAGE);
  process.exit(EXIT.usage);
}
await run(given, log);
