import { z } from 'zod';

/** How the audit log is kept. */
export const auditConfigSchema = z.strictObject({
  checkpointSeconds: z
    .int()
    .min(1)
    .max(3600)
    .default(10)
    .describe('Between two signed checkpoints, where there is something to sign'),
  behindSeconds: z
    .int()
    .min(5)
    .max(3600)
    .default(30)
    .describe(
      'A row that is not chained, or a chain that is not signed, for so much longer than it should stops payments',
    ),
  witness: z
    .string()
    .min(1)
    .optional()
    .describe('File that each checkpoint is appended to: best on another machine, where nobody of this one can write'),
});

/** The part of the configuration. */
export type AuditConfig = z.infer<typeof auditConfigSchema>;
