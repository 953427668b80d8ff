import { z } from 'zod';

/** Where spans go. */
export const tracingConfigSchema = z.strictObject({
  endpoint: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .describe('OTLP over HTTP: https://collector:4318/v1/traces'),
  fraction: z.number().min(0).max(1).default(0.1).describe('Part of the traces that is recorded'),
});

/** Checked configuration of tracing. */
export type TracingConfig = z.infer<typeof tracingConfigSchema>;
