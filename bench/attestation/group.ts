import { systemClock, systemRandom } from '../../src/app/system.ts';
import type { BenchGroup } from '../group.ts';
import { measureAppraisals } from './appraisals.ts';
import { benchChains } from './chains.ts';
import { measureTokens } from './token.ts';
import { measureRegistrations } from './webauthn.ts';

/** Verification of attestation chains and device tokens, in this process. */
export const ATTESTATION: BenchGroup = {
  summary: 'attestation chains and device tokens against their bare signature checks',
  run: async (report) => {
    await measureAppraisals(benchChains(systemClock), report);
    await measureTokens(systemClock, systemRandom, report);
    await measureRegistrations(systemClock, systemRandom, report);
  },
};
