import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import type { Random } from '../../ports/random.ts';
import { runToEnd } from './process.ts';
import type { ProcessingPlaces } from './reference-processing.ts';
import type { AcquirerRole } from './target.ts';

/** The acquirers of a world: the one that phones enrol with, and a rival. */
export const ACQUIRERS: readonly AcquirerRole[] = ['acquirer', 'rival'];

/** Places of a world's files. */
export class WorldFolder {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get data(): string {
    return join(this.root, 'data');
  }
  certificate(plane: 'device' | 'processing' | 'admin', file: string): string {
    return join(this.data, 'certs', plane, file);
  }
  log(name: string): string {
    return join(this.root, `${name}.log`);
  }
  issuerMasterKey(): string {
    return join(this.root, 'issuer-master.key');
  }
  component(acquirer: AcquirerRole, custodian: number): string {
    return join(this.root, `${acquirer}-component-${custodian}.txt`);
  }
  zone(acquirer: AcquirerRole): string {
    return join(this.root, `${acquirer}-zone.json`);
  }
  ledger(acquirer: AcquirerRole): string {
    return join(this.root, `${acquirer}-ledger.sqlite`);
  }
  /** The list of revoked certificates that the service follows. */
  statusList(): string {
    return join(this.data, 'virtual-factory', 'status.json');
  }
  /** What an attacker is told of the world: `tapgate attack run --target` reads it. */
  target(): string {
    return join(this.root, 'target.yaml');
  }
  processingConfig(acquirer: AcquirerRole): string {
    return join(this.root, `${acquirer}-processing.json`);
  }
}

const DEFAULT_POLICY = join(import.meta.dirname, '../../app/policy.default.yaml');

/** `iss` of the world's tokens and receipts. */
export const ISSUER = 'https://tapgate.localhost';

const secret = (path: string, text: string): Promise<void> => writeFile(path, `${text}\n`, { mode: 0o600 });

/**
 * The default policy, made stricter as a production's is: a current status list and Google Play's word are required, and
 * one acquirer may send no more than a machine of a few cores bears.
 */
async function writePolicy(folder: WorldFolder): Promise<void> {
  const policy = parseDocument(await readFile(DEFAULT_POLICY, 'utf8'));
  policy.setIn(['attestation', 'statusList', 'required'], true);
  policy.setIn(['playIntegrity', 'mode'], 'required');
  policy.setIn(['admission', 'processing', 'perCertificate'], { burst: 500, rate: 100, per: 'second' });
  await writeFile(join(folder.data, 'policy.yaml'), policy.toString());
}

/**
 * Prepares an installation with two acquirers by the commands that people use: certificates, vault, key ceremony, all
 * on free ports. `tapgate` is the path of the command's program, `vault` the part of the configuration of that name.
 */
export async function prepareWorld(
  folder: WorldFolder,
  tapgate: string,
  random: Random,
  vault: object = { kind: 'software' },
): Promise<void> {
  // The database runs under its own account where root starts the service, and has to reach its folder.
  await chmod(folder.root, 0o711);
  await mkdir(folder.data, { recursive: true, mode: 0o711 });
  const config = join(folder.data, 'config.yaml');
  const free = (plane: string): string => `  ${plane}: { port: 0 }`;
  const lines = [
    `issuer: ${ISSUER}`,
    'listeners:',
    ...['device', 'processing', 'admin', 'ops'].map(free),
    `acquirers: [${ACQUIRERS.join(', ')}]`,
    // JSON is YAML.
    `vault: ${JSON.stringify(vault)}`,
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  await writePolicy(folder);
  await runToEnd([tapgate, 'certs', 'init', '--data', folder.data, '--config', config, '--json']);
  await runToEnd([tapgate, 'vault', 'init', '--data', folder.data, '--json']);
  await secret(folder.issuerMasterKey(), random.bytes(16).toString('hex').toUpperCase());
  for (const acquirer of ACQUIRERS) {
    const components = [1, 2].map((custodian) => folder.component(acquirer, custodian));
    for (const file of components) await runToEnd([tapgate, 'vault', 'component', '--out', file, '--json']);
    const ceremony = ['--acquirer', acquirer, '--component', ...components, '--out', folder.zone(acquirer), '--json'];
    await runToEnd([tapgate, 'vault', 'zone', '--data', folder.data, ...ceremony]);
  }
}

/** What an acquirer's processing is configured with, which calls the gate at this address. */
export function processingPlaces(folder: WorldFolder, acquirer: AcquirerRole, gate: string): ProcessingPlaces {
  return {
    listen: {
      certificate: folder.certificate('device', 'server.crt'),
      key: folder.certificate('device', 'server.key'),
    },
    gate: {
      address: gate,
      ca: folder.certificate('processing', 'ca.crt'),
      certificate: folder.certificate('processing', `${acquirer}.crt`),
      key: folder.certificate('processing', `${acquirer}.key`),
    },
    receiptIssuer: ISSUER,
    zone: {
      file: folder.zone(acquirer),
      components: [1, 2].map((custodian) => folder.component(acquirer, custodian)),
    },
    ledger: folder.ledger(acquirer),
    cards: folder.issuerMasterKey(),
  };
}
