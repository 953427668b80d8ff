import { z } from 'zod';
import { POSTURE_SIGNS } from './posture.ts';

/** What policy says of invites and of the attestation exchange. */
export const devicePolicySchema = z.strictObject({
  inviteSeconds: z.int().min(60).max(2_592_000).describe('Longest life of an invite'),
  challengeSeconds: z.int().min(10).max(600).describe('Time from challenge to evidence'),
  postureForbidsAttestation: z.array(z.enum(POSTURE_SIGNS)).describe('Reported signs that forbid attestation'),
});

/** Policy of invites and of the attestation exchange. */
export type DevicePolicy = z.infer<typeof devicePolicySchema>;
