import type { TokenSubject } from '../../src/tokens/claims.ts';
import type { TrustVector } from '../../src/tokens/trust-vector.ts';

/** The trust vector of a phone that nothing speaks against. */
export const AFFIRMING: TrustVector = {
  'instance-identity': 2,
  configuration: 2,
  executables: 3,
  hardware: 2,
  'storage-opaque': 2,
};

/** What a token says of the appraisal that it rests on. */
export const APPRAISED = { build: 'tapgate 0.1.0', policyVersion: 'policy-1', trustVector: AFFIRMING } as const;

/** The claims that follow from it. */
export const APPRAISED_CLAIMS = {
  'ear.verifier-id': { build: 'tapgate 0.1.0', developer: 'https://tapgate.dev' },
  submods: {
    phone: {
      'ear.status': 'affirming',
      'ear.trustworthiness-vector': AFFIRMING,
      'ear.appraisal-policy-id': 'policy-1',
    },
  },
} as const;

/** How long tokens of tests live. */
export const TOKEN_LIFE = { lifetimeSeconds: 600, refreshFraction: 0.5, refreshJitterFraction: 0.2 };

/** A token of a phone for an acquirer. */
export function tokenSubject(issuer: string, deviceId: string, acquirer: string, thumbprint: string): TokenSubject {
  return { issuer, deviceId, acquirer, merchant: 'shop-1', sessionKeyThumbprint: thumbprint, ...APPRAISED };
}
