import { z } from 'zod';

/** What policy says of injected keys. */
export const keyPolicySchema = z.strictObject({
  transports: z
    .array(z.enum(['key-agreement']))
    .min(1)
    .describe('Allowed transports, the strongest first'),
  offerSeconds: z.int().min(10).max(600).describe('Time from a step of the injection to the next'),
  maximumAgeHours: z.int().min(1).max(8784).describe('Life of injected keys'),
  maximumTransactions: z.int().min(1).max(1_000_000).describe('Transactions of one injected key set'),
});

/** Policy of injected keys. */
export type KeyPolicy = z.infer<typeof keyPolicySchema>;

/** A transport by the name that policy gives it. */
export type TransportName = KeyPolicy['transports'][number];
