import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodePem } from '../../../../src/encoding/pem.ts';
import { createVirtualFactory } from '../../../../src/virtual/keymint/factory.ts';
import type { KeyRequest } from '../../../../src/virtual/keymint/keymint.ts';
import { honestProfiles } from '../../../../src/virtual/keymint/profiles.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const MAXIMUM_PEM_CHARACTERS = 1_048_576;

/** The time of every appraisal. */
export const AT = new Date('2026-06-15T12:00:00Z');

/** DER certificates, leaf first. */
export type Chain = readonly Buffer[];

const REQUESTS: readonly Pick<KeyRequest, 'purpose' | 'algorithm'>[] = [
  { purpose: 'sign', algorithm: 'EC' },
  { purpose: 'agree', algorithm: 'EC' },
  { purpose: 'decrypt', algorithm: 'RSA' },
];

/** Chains of virtual phones of every honest kind, all under one root. */
export function virtualChains(): readonly Chain[] {
  const factory = createVirtualFactory({ now: () => AT });
  const challenge = Buffer.alloc(32, 0xc4);
  return Object.values(honestProfiles(AT)).flatMap((profile) => {
    const keymint = factory.provision(profile);
    const known = REQUESTS.filter(({ purpose }) => purpose !== 'agree' || profile.keymintVersion >= 100);
    const chains = known.map((request) => keymint.generateKey({ ...request, challenge }).chain);
    if (profile.keymintVersion < 100) return chains;
    const attestKey = keymint.generateKey({ purpose: 'attest', algorithm: 'EC', challenge });
    return [...chains, keymint.generateKey({ purpose: 'sign', algorithm: 'EC', challenge, attestKey }).chain];
  });
}

/** Folder of the vectors of real phones; null where it is absent. */
export function vectorFolder(): string | null {
  const folder = join(process.env.TAPGATE_VECTORS ?? join(ROOT, '../shared/vectors'), 'attestation');
  return existsSync(folder) ? folder : null;
}

/** Chains of real phones, whatever is to be said of them; none where there are no vectors. */
export function realChains(): readonly Chain[] {
  const folder = vectorFolder();
  if (folder === null) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.pem'))
    .sort()
    .flatMap((file) => {
      const chain = decodePem(readFileSync(join(folder, file), 'utf8'), 'CERTIFICATE', MAXIMUM_PEM_CHARACTERS);
      return chain.ok ? [chain.value] : [];
    });
}

/** Each byte string once, in their order. */
export function distinct(all: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...new Map(all.map((bytes) => [Buffer.from(bytes).toString('base64'), bytes])).values()];
}
