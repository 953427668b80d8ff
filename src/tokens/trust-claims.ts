import { z } from 'zod';

/** Tiers of the phones that tokens are issued to: policy may bear with a warning, never with worse. */
export const ISSUED_TIERS = ['affirming', 'warning'] as const;

/**
 * The members of a trust vector as a reader takes them: signed 8-bit values (draft-ietf-rats-ar4si 2.3.2), among them
 * ones that a later version may give.
 */
const value = z.int().min(-128).max(127).optional();

/** Members of `ear.trustworthiness-vector`, for a schema. */
export const TRUST_CLAIMS = {
  'instance-identity': value,
  configuration: value,
  executables: value,
  hardware: value,
  'storage-opaque': value,
} as const;
