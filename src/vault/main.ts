import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { EXIT } from './exit-code.ts';
import { harden } from './harden.ts';
import { wipeKeys } from './keys.ts';
import { Custodian } from './keystore/custodian.ts';
import { type KeystoreSource, keystoreOf } from './keystore-source.ts';
import { classOf, jsonLog, READY_EVENT, type VaultLog } from './log.ts';
import { type PinLengths, parsePinLengths } from './pin-lengths.ts';
import { startVaultServer } from './server.ts';
import type { SocketAccess } from './socket.ts';
import { SOURCE_OPTIONS, sourceOfArguments } from './source-arguments.ts';

/** Time that open connections have to end after SIGTERM, in milliseconds. */
const DRAIN_MILLISECONDS = 10_000;

const USAGE = `usage: node main.ts --directory KEYSTORE --socket PATH [--standalone] [--group] [--pin-lengths 4-12]...
  [--passphrase-file FILE | --module FILE --token-label LABEL --pin-file FILE]
`;

interface Arguments {
  readonly directory: string;
  readonly socket: string;
  readonly source: KeystoreSource;
  /** Undefined where none are given. */
  readonly pinLengths: readonly PinLengths[] | undefined;
  readonly socketAccess: SocketAccess;
  /** Without it the process lives no longer than its standard input: a parent that dies takes its vault with it. */
  readonly standalone: boolean;
}

function readArguments(): Arguments | null {
  try {
    const { values } = parseArgs({
      options: {
        directory: { type: 'string' },
        socket: { type: 'string' },
        standalone: { type: 'boolean' },
        group: { type: 'boolean' },
        'pin-lengths': { type: 'string', multiple: true },
        ...SOURCE_OPTIONS,
      },
    });
    const { directory, socket, standalone = false, group = false } = values;
    const source = sourceOfArguments(values);
    const pairs = values['pin-lengths'];
    const pinLengths = pairs?.map(parsePinLengths).filter((lengths) => lengths !== null);
    return directory === undefined || socket === undefined || source === null || pinLengths?.length !== pairs?.length
      ? null
      : { directory, socket, source, pinLengths, standalone, socketAccess: group ? 'group' : 'owner' };
  } catch {
    return null;
  }
}

async function run(
  { directory, socket, source, pinLengths, socketAccess, standalone }: Arguments,
  log: VaultLog,
): Promise<void> {
  harden(log);
  const random = { bytes: (length: number) => randomBytes(length) };
  const ports = { random, clock: { now: () => new Date() }, pinLengths };
  const keystore = await keystoreOf(directory, source, ports.clock);
  if (!keystore.ok) {
    log('keystore source refused', { fault: keystore.reason, detail: keystore.detail ?? '' });
    process.exit(EXIT.sourceRefused);
  }
  const loaded = Custodian.open(keystore.value, ports);
  if (!loaded.ok) {
    log('keystore refused', { fault: loaded.reason, detail: loaded.detail ?? '' });
    process.exit(EXIT.keystoreRefused);
  }
  const custodian = loaded.value;
  const server = await startVaultServer({ socket, socketAccess, custodian, ports, log });
  if (!server.ok) {
    log('socket refused', { fault: server.reason, detail: server.detail ?? '' });
    process.exit(EXIT.socketRefused);
  }
  const end = (event: string): void => {
    log(event);
    server.value.stop();
    wipeKeys(custodian.loaded);
    // A thread that is inside of the token's module cannot be waited for.
    if (keystore.value.token?.isStuck) process.kill(process.pid, 'SIGKILL');
    process.exit(EXIT.stopped);
  };
  let draining = false;
  const drain = (): void => {
    // A terminal and a parent both pass the signal on: a second one must not cut the drain short.
    if (draining) return;
    draining = true;
    void server.value.drain(DRAIN_MILLISECONDS).then(() => end('drained'));
  };
  process.on('SIGTERM', drain);
  process.on('SIGINT', drain);
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
