import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../app/config.ts';
import { fileFaultText } from '../app/fault-text.ts';
import type { TargetPlaces } from '../virtual/world/places.ts';

/** What a file of a target has to be. */
type Form = 'certificate' | 'private key' | 'public key' | 'text';

/** A file that a target names: in which member, where, and what it has to be. */
type Named = readonly [member: string, path: string | undefined, form: Form];

const FORMS: Readonly<Record<Exclude<Form, 'text'>, (text: string) => unknown>> = {
  certificate: (text) => new X509Certificate(text),
  'private key': createPrivateKey,
  'public key': createPublicKey,
};

function filesOf({ device, virtualPhones, admin, gate, acquirer, rival, cards, log }: TargetPlaces): Named[] {
  const party = (member: string, of: TargetPlaces['rival']): Named[] => [
    [`${member}.certificate`, of?.certificate, 'certificate'],
    [`${member}.key`, of?.key, 'private key'],
    [`${member}.processing.ca`, of?.processing?.ca, 'certificate'],
  ];
  return [
    ['device.ca', device.ca, 'certificate'],
    ['device.serviceAnchor', device.serviceAnchor, 'public key'],
    ['virtualPhones', join(virtualPhones, 'root.key'), 'text'],
    ['virtualPhones', join(virtualPhones, 'root.crt'), 'certificate'],
    ['virtualPhones', join(virtualPhones, 'play.json'), 'text'],
    ['admin.ca', admin.ca, 'certificate'],
    ['admin.certificate', admin.certificate, 'certificate'],
    ['admin.key', admin.key, 'private key'],
    ['gate.ca', gate?.ca, 'certificate'],
    ...party('acquirer', acquirer),
    ['acquirer.zone.file', acquirer.zone?.file, 'text'],
    ...(acquirer.zone?.components ?? []).map((file): Named => ['acquirer.zone.components', file, 'text']),
    ...party('rival', rival),
    ['cards', cards, 'text'],
    ['log', log, 'text'],
  ];
}

async function faultOf([member, path, form]: Named): Promise<string | null> {
  if (path === undefined) return null;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const fault = fileFaultText(error, path);
    if (fault === null) throw error;
    return `  ${member}: ${fault}`;
  }
  try {
    if (form !== 'text') FORMS[form](text);
    return null;
  } catch {
    // What the parser says may repeat what it read.
    return `  ${member}: ${path} is no ${form} in PEM. Put the right file there, or name it.`;
  }
}

/** Reads every file that a target names. Throws ConfigError with a line for each that cannot be used, and what to do. */
export async function requireTargetFiles(file: string, places: TargetPlaces): Promise<void> {
  const faults = await Promise.all(filesOf(places).map(faultOf));
  const lines = faults.filter((fault) => fault !== null);
  if (lines.length > 0) throw new ConfigError(`${file} names files that cannot be used:\n${lines.join('\n')}`);
}
