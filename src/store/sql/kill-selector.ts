import { z } from 'zod';
import type { KillSelector } from '../../devices/kill-switch.ts';

const selectorSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('device'), deviceId: z.string() }),
  z.strictObject({ kind: z.literal('merchant'), acquirer: z.string(), merchant: z.string() }),
  z.strictObject({ kind: z.literal('acquirer'), acquirer: z.string() }),
  z.strictObject({
    kind: z.literal('build'),
    packageName: z.string(),
    fromVersion: z.number(),
    toVersion: z.number(),
    signer: z.string().nullable(),
  }),
  z.strictObject({ kind: z.literal('attestation-key'), keyId: z.string() }),
  z.strictObject({ kind: z.literal('os-patch-below'), level: z.number() }),
  z.strictObject({ kind: z.literal('os-patch'), level: z.number() }),
  z.strictObject({ kind: z.literal('everyone') }),
]);

/** A selector out of stored JSON; throws where it is none that this program knows: a switch is never passed over. */
export function killSelectorFromJson(json: unknown): KillSelector {
  return selectorSchema.parse(json);
}
