import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { EXIT } from './exit-code.ts';
import { harden } from './harden.ts';
import { initialise } from './keystore/initialise.ts';
import { type KeystoreSource, keystoreOf } from './keystore-source.ts';
import { classOf, jsonLog, type VaultLog } from './log.ts';
import { SOURCE_OPTIONS, sourceOfArguments } from './source-arguments.ts';

const USAGE = `usage: node make-keystore.ts --directory KEYSTORE
  [--passphrase-file FILE | --module FILE --token-label LABEL --pin-file FILE]
`;

interface Arguments {
  readonly directory: string;
  readonly source: KeystoreSource;
}

function readArguments(): Arguments | null {
  try {
    const { values } = parseArgs({ options: { directory: { type: 'string' }, ...SOURCE_OPTIONS } });
    const source = sourceOfArguments(values);
    return values.directory === undefined || source === null ? null : { directory: values.directory, source };
  } catch {
    return null;
  }
}

async function run({ directory, source }: Arguments, log: VaultLog): Promise<number> {
  harden(log);
  const clock = { now: () => new Date() };
  const keystore = await keystoreOf(directory, source, clock);
  if (!keystore.ok) {
    log('keystore source refused', { fault: keystore.reason, detail: keystore.detail ?? '' });
    return EXIT.sourceRefused;
  }
  const made = initialise(keystore.value, { random: { bytes: (length) => randomBytes(length) }, clock });
  if (made.ok) return EXIT.stopped;
  log('keystore refused', { fault: made.reason, detail: made.detail ?? '' });
  return EXIT.keystoreRefused;
}

const log = jsonLog(
  (line) => void process.stdout.write(line),
  () => new Date(),
);
process.on('uncaughtException', (exception) => {
  log('crashed', { exception: classOf(exception) });
  process.exit(EXIT.failed);
});
const given = readArguments();
if (given === null) {
  process.stderr.write(USAGE);
  process.exit(EXIT.usage);
}
// A token's module may keep a thread running.
process.exit(await run(given, log));
