import { z } from 'zod';

/**
 * Irregularities of genuine phones, by the check that meets them. Policy lists the ones it bears with; a check whose
 * irregularity is borne with says `tolerated`, so none goes unseen.
 */
export const TOLERANCES = [
  // The issuer name is not the subject of the certificate that signed (two phone models).
  'ISSUER_NAMES_MATCH',
  // An issuing certificate without CA:TRUE or keyCertSign (a quarter of all phones).
  'ISSUERS_ARE_AUTHORITIES',
  // A factory-provisioned issuer outside its dates (almost every phone of some age).
  'FACTORY_CERTIFICATES_CURRENT',
  // A root certificate outside its dates; its name and key are the anchor.
  'ANCHOR_CERTIFICATE_CURRENT',
  // A leaf outside its dates, or with dates in the wrong order.
  'LEAF_DATES_PLAUSIBLE',
  // BOOLEAN TRUE that is not 0xFF (Pixel 3 StrongBox).
  'BOOLEANS_CANONICAL',
  // A CRL distribution point extension of the one byte 00 (Huawei).
  'DISTRIBUTION_POINTS_READABLE',
  // ECDSA algorithm identifiers with NULL parameters (Pixel 3 and 4 StrongBox).
  'SIGNATURE_PARAMETERS_CANONICAL',
  // Authorisations that do not ascend by tag.
  'AUTHORIZATIONS_ORDERED',
  // Authorisations or fields of a schema newer than this verifier.
  'AUTHORIZATIONS_KNOWN',
  // An attestation version newer than this verifier.
  'ATTESTATION_VERSION_KNOWN',
  // Provisioning information that cannot be read; nothing rests on what it says.
  'PROVISIONING_INFO_READABLE',
] as const;

/** A named irregularity that policy may bear with. */
export type Tolerance = (typeof TOLERANCES)[number];

const hex = (minimumBytes: number, maximumBytes: number) =>
  z
    .string()
    .regex(/^(?:[0-9a-fA-F]{2})*$/, 'bytes in hex')
    .min(minimumBytes * 2)
    .max(maximumBytes * 2)
    .toLowerCase();

const applicationSchema = z.strictObject({
  package: z.string().min(1).max(255).describe('Package name'),
  signers: z.array(hex(32, 32)).min(1).max(16).describe('SHA-256 of the signing certificates that may have signed it'),
  minimumVersion: z.int().min(0).default(0).describe('Lowest versionCode'),
});

const patchFloorSchema = z.strictObject({
  maximumAgeDays: z.int().min(1).max(3650).describe('Oldest patch level, in days since the first day that it names'),
  enforceFrom: z.iso.date().nullable().default(null).describe('Refuses from this day (UTC); advises before. Null: now'),
});

/** A floor under one patch level. */
export type PatchFloor = z.output<typeof patchFloorSchema>;

const YEAR = { maximumAgeDays: 365, enforceFrom: null };

const patchesSchema = z.strictObject({
  os: patchFloorSchema.nullable().default(YEAR).describe('Floor of the system patch level; null: none'),
  vendor: patchFloorSchema.nullable().default(YEAR).describe('Floor of the vendor patch level; null: none'),
  boot: patchFloorSchema.nullable().default(YEAR).describe('Floor of the boot patch level; null: none'),
  unknown: z.enum(['refuse', 'tolerate']).default('refuse').describe('A level that is missing, 0 or no date'),
  adviseDays: z
    .int()
    .min(0)
    .max(366)
    .default(30)
    .describe('A phone hears so many days before that its system patch level will be refused'),
  maximumDaysAhead: z.int().min(0).max(366).default(92).describe('A level further in the future is unknown'),
});

const verifiedBootSchema = z.strictObject({
  deviceLocked: z.boolean().default(true).describe('The boot loader must be locked'),
  states: z
    .array(z.enum(['VERIFIED', 'SELF_SIGNED']))
    .min(1)
    .default(['VERIFIED', 'SELF_SIGNED'])
    .describe('Allowed boot states; SELF_SIGNED for the systems of `keys` only'),
  keys: z.array(hex(1, 64)).max(256).default([]).describe('Verified boot keys of self-signed systems that are allowed'),
});

const limitsSchema = z.strictObject({
  maximumCertificates: z.int().min(2).max(32).default(10).describe('Certificates of one chain'),
  maximumBytes: z.int().min(1024).max(1_048_576).default(32_768).describe('Bytes of all certificates of one chain'),
  minimumIssuerRsaBits: z.int().min(1024).max(8192).default(2048).describe('Shorter RSA keys verify nothing'),
  maximumIssuerRsaBits: z.int().min(2048).max(16_384).default(8192).describe('Longer RSA keys verify nothing'),
});

/** What an attested key and its phone must be. Every default is the strict side. */
export const attestationPolicySchema = z.strictObject({
  minimumSecurityLevel: z
    .enum(['TRUSTED_ENVIRONMENT', 'STRONG_BOX'])
    .default('TRUSTED_ENVIRONMENT')
    .describe('What must hold the key'),
  verifiedBoot: verifiedBootSchema.prefault({}).describe('How the phone must have started'),
  applications: z
    .array(applicationSchema)
    .max(256)
    .default([])
    .describe('Applications that may attest; none: none may'),
  patches: patchesSchema.prefault({}).describe('How old the security patches may be'),
  attestKeyChains: z.boolean().default(false).describe('Chains in which an attested ATTEST_KEY key certifies the key'),
  statusList: z
    .strictObject({
      required: z.boolean().default(true).describe('Nothing is trusted without a status list'),
      maximumAgeHours: z.int().min(1).max(8760).default(72).describe('An older list counts as none'),
    })
    .prefault({})
    .describe("Google's list of revoked certificates"),
  tolerances: z
    .array(z.enum(TOLERANCES))
    .default([...TOLERANCES])
    .describe('Irregularities of genuine phones that are borne with'),
  minimumRsaBits: z.int().min(2048).max(8192).default(2048).describe('Size of an attested RSA key'),
  limits: limitsSchema.prefault({}).describe('Bounds of one chain'),
});

/** Attestation policy, parsed. */
export type AttestationPolicy = z.output<typeof attestationPolicySchema>;
