import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Rooms whose tests are to notice any change of their code. */
export const ROOMS = [
  'attestation',
  'payment-crypto',
  'injection',
  'keys',
  'policy',
  'sessions',
  'pin',
  'gate',
  'emv',
  'audit',
] as const;

/** Rooms of the list that this checkout has, with sources and tests. */
export function presentRooms(root: string): readonly string[] {
  return ROOMS.filter((room) => existsSync(join(root, 'src', room)) && existsSync(join(root, 'test', room)));
}
