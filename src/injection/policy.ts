import { z } from 'zod';

/** What policy says of injected keys. */
export const keyPolicySchema = z.strictObject({
  transports: z
    .array(z.enum(['key-agreement', 'rsa', 'secure-import']))
    .min(1)
    .refine((names) => new Set(names).size === names.length, 'each transport once')
    .describe('Allowed transports, the strongest first'),
  minimumRsaBits: z
    .union([z.literal(2048), z.literal(3072), z.literal(4096)])
    .default(3072)
    .describe('Least RSA key that keys are sent under: 3072 is as strong as the AES-128 keys, 2048 is weaker'),
  offersPerHour: z
    .int()
    .min(1)
    .max(3600)
    .default(30)
    .describe('Key requests of one device: each uses up identifiers of initial keys for good'),
  offerSeconds: z.int().min(10).max(600).describe('Time from a step of the injection to the next'),
  maximumAgeHours: z.int().min(1).max(8784).describe('Life of injected keys'),
  maximumTransactions: z.int().min(1).max(1_000_000).describe('Transactions of one injected key set'),
});

/** Policy of injected keys. */
export type KeyPolicy = z.infer<typeof keyPolicySchema>;

/** A transport by the name that policy gives it. */
export type TransportName = KeyPolicy['transports'][number];
