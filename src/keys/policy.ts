import { z } from 'zod';

/** What policy says of the service's own keys: part of `keys`. */
export const rotationPolicyShape = {
  publishSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(300)
    .describe('How long others may keep published keys, and so how long a key is published before it signs'),
};

/** The times that a rotation keeps. */
export interface RotationPolicy {
  readonly publishSeconds: number;
  /** Life of injected keys: a base derivation key drains at least this long. */
  readonly maximumAgeHours: number;
}
