import { writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type ServingChild, startServing } from './process.ts';

// Compiled, it is a .js file beside this one's.
const PROGRAM = join(import.meta.dirname, `../processing/main${extname(import.meta.filename)}`);

/** Files and addresses that a reference processing is configured with. */
export interface ProcessingPlaces {
  /** Certificate and key that phones see. */
  readonly listen: { readonly certificate: string; readonly key: string };
  readonly gate: { readonly address: string; readonly ca: string; readonly certificate: string; readonly key: string };
  readonly receiptIssuer: string;
  readonly zone: { readonly file: string; readonly components: readonly string[] };
  readonly ledger: string;
  /** The issuer master key. */
  readonly cards: string;
}

/** Writes the configuration of a processing on a free port. */
export async function writeProcessingConfig(file: string, places: ProcessingPlaces): Promise<void> {
  const { listen, cards, ...rest } = places;
  const config = { ...rest, listen: { port: 0, ...listen }, issuer: { masterKey: cards }, logLevel: 'info' };
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}

/** Starts a processing; answers where it listens once it does. */
export async function startProcessing(
  config: string,
  log: string,
): Promise<{ readonly child: ServingChild; readonly address: string }> {
  let address = '';
  const child = await startServing([PROGRAM, config], {
    log,
    isReady: (line) => line.startsWith('listening on '),
    onLine: (line) => {
      const port = /^listening on .*:(\d+)$/.exec(line)?.[1];
      if (port !== undefined) address = `localhost:${port}`;
    },
  });
  return { child, address };
}
