import { type Appraiser, type AppraiserPorts, createAppraiser } from '../attestation/appraiser.ts';
import {
  createIntegrityAppraiser,
  type IntegrityAppraiser,
  type IntegrityAppraiserPorts,
} from '../attestation/play-integrity/appraiser.ts';
import type { Policy } from './policy.ts';

/** Appraisers of any version of policy, over the same anchors, list and decoders. */
export interface Appraisers {
  appraiser(document: Policy): Appraiser;
  integrity(document: Policy): IntegrityAppraiser;
}

/** Appraisers that keep nothing of their own. */
export function appraisersOver(
  ports: Omit<AppraiserPorts, 'policy'>,
  decoderOf: IntegrityAppraiserPorts['decoderOf'],
): Appraisers {
  return {
    appraiser: ({ attestation }) => createAppraiser({ ...ports, policy: () => attestation }),
    integrity: ({ playIntegrity }) => createIntegrityAppraiser({ policy: () => playIntegrity, decoderOf }),
  };
}
