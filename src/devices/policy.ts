import { z } from 'zod';
import { POSTURE_SIGNS } from './posture.ts';

const sightingsSchema = z.strictObject({
  factoryAcrossModels: z
    .enum(['report', 'refuse'])
    .default('report')
    .describe('A factory attestation key that attests phones of several models'),
});

/** What policy says of invites, of devices and of the attestation exchange. */
export const devicePolicySchema = z.strictObject({
  inviteSeconds: z.int().min(60).max(2_592_000).describe('Longest life of an invite'),
  openInvitesPerMerchant: z.int().min(1).max(1_000_000).default(100).describe('Invites of one merchant open at a time'),
  activeDevicesPerMerchant: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1000)
    .describe('Devices of one merchant that are not revoked'),
  challengeSeconds: z
    .int()
    .min(10)
    .max(600)
    .describe('Time from challenge to evidence, or to the proof of a resumption'),
  fullAttestationSeconds: z
    .int()
    .min(3600)
    .max(2_592_000)
    .default(86_400)
    .describe('Age of an attestation from which a session is not resumed: at least the longest life of a token'),
  transactionsPerAttestation: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Transactions that one attestation is good for; then the phone attests with new evidence'),
  sightings: sightingsSchema.prefault({}).describe('Attestation keys that are seen on several devices'),
  postureForbidsAttestation: z.array(z.enum(POSTURE_SIGNS)).describe('Reported signs that forbid attestation'),
});

/** Policy of invites, devices and the attestation exchange. */
export type DevicePolicy = z.infer<typeof devicePolicySchema>;
