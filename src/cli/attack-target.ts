import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ConfigError, parseYaml, readText, schemaProblems } from '../app/config.ts';
import { systemClock, systemRandom } from '../app/system.ts';
import { issueServerCertificateOf, newAuthority, validFor } from '../certs/issue.ts';
import { type TargetPlaces, targetSchema } from '../virtual/world/places.ts';
import type { ServingChild } from '../virtual/world/process.ts';
import { startProcessing, writeProcessingConfig } from '../virtual/world/reference-processing.ts';
import { Target } from '../virtual/world/target.ts';
import { requireTargetFiles } from './attack-target-files.ts';

/** What a folder's description is called. */
const FILE_NAME = 'target.yaml';

/** A server that a file describes, with a reference processing of its own where the file gives zone keys for one. */
export class DescribedTarget extends Target {
  readonly places: TargetPlaces;
  readonly #end: () => Promise<void>;

  private constructor(places: TargetPlaces, end: () => Promise<void>) {
    super({ clock: systemClock, random: systemRandom });
    this.places = places;
    this.#end = end;
  }

  /** Opens a target: a file, or a folder with a `target.yaml`. Throws ConfigError that says what to do. */
  static async open(path: string): Promise<DescribedTarget> {
    const places = await readTarget(path);
    await requireTargetFiles(path, places);
    const { zone, processing } = places.acquirer;
    if (zone === undefined || processing !== undefined || places.gate === undefined) {
      return new DescribedTarget(places, async () => {});
    }
    const started = await startOwnProcessing(places, places.gate, zone);
    return new DescribedTarget(started.places, started.end);
  }

  /** Closes connections and ends the processing that was started. */
  async close(): Promise<void> {
    this.closeConnections();
    await this.#end();
  }
}

/** Reads the description of a target; its files are relative to its own folder. Throws ConfigError. */
export async function readTarget(path: string): Promise<TargetPlaces> {
  const file = (await isFolder(path)) ? join(path, FILE_NAME) : path;
  const text = await readText(file).catch((error: unknown) => {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${error.message} What it has to say: tapgate attack list --needs`);
  });
  const parsed = targetSchema.safeParse(parseYaml(text, file) ?? {});
  if (!parsed.success) throw schemaProblems(file, parsed.error);
  return withAbsoluteFiles(parsed.data, (name) => resolve(dirname(file), name));
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}

function withAbsoluteFiles(places: TargetPlaces, at: (name: string) => string): TargetPlaces {
  const { device, virtualPhones, admin, gate, acquirer, rival, cards, log, ...rest } = places;
  const party = <P extends NonNullable<TargetPlaces['rival']>>(of: P): P => ({
    ...of,
    certificate: at(of.certificate),
    key: at(of.key),
    ...(of.processing && { processing: { ...of.processing, ca: at(of.processing.ca) } }),
  });
  return {
    ...rest,
    device: { ...device, ca: at(device.ca), serviceAnchor: at(device.serviceAnchor) },
    virtualPhones: at(virtualPhones),
    admin: { ...admin, ca: at(admin.ca), certificate: at(admin.certificate), key: at(admin.key) },
    ...(gate && { gate: { ...gate, ca: at(gate.ca) } }),
    acquirer: {
      ...party(acquirer),
      ...(acquirer.zone && { zone: { file: at(acquirer.zone.file), components: acquirer.zone.components.map(at) } }),
    },
    ...(rival && { rival: party(rival) }),
    ...(cards !== undefined && { cards: at(cards) }),
    ...(log !== undefined && { log: at(log) }),
  };
}

/** Starts a reference processing with the acquirer's zone keys, in a folder that goes with it. */
async function startOwnProcessing(
  places: TargetPlaces,
  gate: NonNullable<TargetPlaces['gate']>,
  zone: NonNullable<TargetPlaces['acquirer']['zone']>,
): Promise<{ readonly places: TargetPlaces; readonly end: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'tapgate-attack-'));
  let child: ServingChild | null = null;
  const end = async (): Promise<void> => {
    await child?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const cards = places.cards ?? (await makeIssuer(folder));
    const { certificate, key } = places.acquirer;
    const { ca, ...listen } = await makeCertificate(folder);
    const config = join(folder, 'processing.json');
    await writeProcessingConfig(config, {
      listen,
      gate: { ...gate, certificate, key },
      receiptIssuer: places.issuer,
      zone,
      ledger: join(folder, 'ledger.sqlite'),
      cards,
    });
    const started = await startProcessing(config, join(folder, 'processing.log'));
    child = started.child;
    const processing = { address: started.address, ca };
    return { places: { ...places, cards, acquirer: { ...places.acquirer, processing } }, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** A certificate of its own for localhost: files of authority, certificate and key. */
async function makeCertificate(folder: string) {
  const validity = validFor(systemClock.now(), 1);
  const authority = newAuthority('device', validity);
  const { certificate, key } = issueServerCertificateOf('device', authority, validity, []);
  const write = async (name: string, text: string): Promise<string> => {
    const file = join(folder, name);
    await writeFile(file, text, { mode: 0o600 });
    return file;
  };
  return {
    ca: await write('ca.crt', authority.certificate),
    certificate: await write('server.crt', certificate),
    key: await write('server.key', key),
  };
}

async function makeIssuer(folder: string): Promise<string> {
  const file = join(folder, 'issuer-master.key');
  await writeFile(file, `${systemRandom.bytes(16).toString('hex').toUpperCase()}\n`, { mode: 0o600 });
  return file;
}
