import { z } from 'zod';
import {
  APP_ACCESS_RISKS,
  APP_LICENSING_VERDICTS,
  DEVICE_ACTIVITY_LEVELS,
  DEVICE_INTEGRITY_LABELS,
  PLAY_PROTECT_VERDICTS,
} from './vocabulary.ts';

const appAccessSchema = z.strictObject({
  forbidPin: z
    .array(z.enum(APP_ACCESS_RISKS))
    .default([...APP_ACCESS_RISKS])
    .describe('What another running application may do that forbids PIN entry'),
  unevaluated: z
    .enum(['forbid-pin', 'tolerate'])
    .default('forbid-pin')
    .describe('Where nothing is known of other applications; with `preferred` that includes a missing token'),
});

/** What Google Play must say of phone and application. Every default is the strict side, once it is switched on. */
export const playIntegrityPolicySchema = z.strictObject({
  mode: z
    .enum(['required', 'preferred', 'off'])
    .default('off')
    .describe('required: no phone without a good verdict; preferred: a missing one is borne with, a bad one is not'),
  maximumAgeSeconds: z.int().min(10).max(3600).default(120).describe('Oldest request for a token'),
  maximumSecondsAhead: z.int().min(0).max(300).default(30).describe("How far Google's clock may be ahead"),
  appRecognition: z
    .array(z.enum(['PLAY_RECOGNIZED', 'UNRECOGNIZED_VERSION']))
    .min(1)
    .default(['PLAY_RECOGNIZED'])
    .describe('UNRECOGNIZED_VERSION for applications that do not come from Google Play'),
  minimumDeviceIntegrity: z
    .enum(DEVICE_INTEGRITY_LABELS)
    .default('MEETS_STRONG_INTEGRITY')
    .describe('The weakest label that suffices'),
  maximumDeviceActivity: z
    .enum(DEVICE_ACTIVITY_LEVELS)
    .nullable()
    .default('LEVEL_3')
    .describe('How many tokens the phone may have asked for in an hour; opt-in in the Play Console; null: not asked'),
  playProtect: z
    .array(z.enum(PLAY_PROTECT_VERDICTS))
    .min(1)
    .nullable()
    .default(['NO_ISSUES'])
    .describe('Allowed states of Play Protect; opt-in in the Play Console; null: not asked'),
  licensing: z
    .array(z.enum(APP_LICENSING_VERDICTS))
    .min(1)
    .nullable()
    .default(['LICENSED'])
    .describe('Allowed licensing verdicts; null: not asked'),
  appAccess: appAccessSchema.prefault({}).describe('Applications that can capture, cover or operate the screen'),
  allowTestingResponses: z
    .boolean()
    .default(false)
    .describe('Verdicts that a Play Console made up; never in production'),
  unknownFields: z
    .enum(['tolerate', 'refuse'])
    .default('tolerate')
    .describe('Fields and values newer than this service; nothing rests on them'),
});

/** Policy of Play Integrity, parsed. */
export type PlayIntegrityPolicy = z.output<typeof playIntegrityPolicySchema>;
