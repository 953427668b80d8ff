import { pino } from 'pino';
import {
  type ProcessingConfig,
  ProcessingConfigError,
  readPem,
  readProcessingConfig,
  readProcessingKeys,
} from './config.ts';
import { connectGate } from './gate-client.ts';
import { VirtualIssuer } from './issuer.ts';
import { SqliteLedger } from './ledger.ts';
import { PaymentProcessing } from './pay.ts';
import { CachedReceiptKeys } from './receipt-keys.ts';
import { startProcessingServer } from './server.ts';

const USAGE = 'usage: node src/virtual/processing/main.ts CONFIG.json';
const DRAIN_MILLISECONDS = 5_000;

/** Name, code and message of an error; never its other fields, which may hold values. */
function describeError(error: unknown): Record<string, unknown> {
  const { name, code, message } = error as { name?: unknown; code?: unknown; message?: unknown };
  return { name, code, message };
}

async function run(config: ProcessingConfig): Promise<void> {
  const logger = pino(
    { name: 'processing', level: config.logLevel, serializers: { err: describeError } },
    pino.destination({ fd: 2, sync: true }),
  );
  const clock = { now: () => new Date() };
  const { zone, issuerMasterKey, accounts } = readProcessingKeys(config);
  const { listen, gate } = config;
  const connection = connectGate({
    address: gate.address,
    tls: { ca: readPem(gate.ca), cert: readPem(gate.certificate), key: readPem(gate.key) },
    deadlineMilliseconds: gate.deadlineMilliseconds,
    ...(gate.serverName !== undefined && { serverName: gate.serverName }),
  });
  const ledger = new SqliteLedger(config.ledger);
  const processing = new PaymentProcessing({
    clock,
    gate: connection,
    receiptKeys: new CachedReceiptKeys(() => connection.fetchReceiptKeys(), clock),
    receiptIssuer: config.receiptIssuer,
    zone,
    issuer: new VirtualIssuer({ accounts, masterKey: issuerMasterKey, pinKey: zone.pin.key, clock }),
    ledger,
    logger,
  });
  const tls = { key: readPem(listen.key), cert: readPem(listen.certificate) };
  const server = await startProcessingServer({ address: listen, tls, processing, ledger, logger });
  const stop = async (): Promise<void> => {
    await server.close(DRAIN_MILLISECONDS);
    connection.close();
    ledger.close();
    for (const key of [zone.pin.key, zone.data.key, issuerMasterKey]) key.wipe();
    // A connection that was cut may linger and would keep the process.
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
  process.stdout.write(`listening on ${server.address}\n`);
}

const [path] = process.argv.slice(2);
try {
  if (path === undefined) throw new ProcessingConfigError(USAGE);
  await run(readProcessingConfig(path));
} catch (error) {
  const known = error instanceof ProcessingConfigError;
  process.stderr.write(
    `${known ? error.message : `processing did not start: ${JSON.stringify(describeError(error))}`}\n`,
  );
  process.exitCode = 1;
}
