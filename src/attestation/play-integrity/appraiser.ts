import { refuse } from '../../reasons/result.ts';
import type { ApplicationId } from '../android/application-id.ts';
import { appraiseIntegrity, type DecodedToken, type IntegrityAppraisal, integrityNotAsked } from './appraise.ts';
import type { IntegrityDecoder } from './decoder.ts';
import type { PlayIntegrityPolicy } from './policy.ts';

/** Appraises integrity tokens under the policy in force. */
export interface IntegrityAppraiser {
  appraise(evidence: {
    /** As the phone sent it; empty for none. */
    readonly token: string;
    /** Of this attestation: 32 bytes. */
    readonly transcript: Uint8Array;
    /** Server time when the evidence came. */
    readonly at: Date;
    /** The application that the session key's chain attests; null where it names none. */
    readonly application: ApplicationId | null;
  }): Promise<IntegrityAppraisal>;
}

/** What an appraiser stands on. Policy is asked for anew in each appraisal. */
export interface IntegrityAppraiserPorts {
  readonly policy: () => PlayIntegrityPolicy;
  /** The decoder of a package's tokens: keys and credentials belong to an application. Null where there is none. */
  readonly decoderOf: (packageName: string) => IntegrityDecoder | null;
}

async function decode(
  token: string,
  application: ApplicationId | null,
  { decoderOf }: IntegrityAppraiserPorts,
): Promise<DecodedToken> {
  if (token === '') return null;
  for (const { name } of application?.packages ?? []) {
    const decoder = decoderOf(name);
    if (decoder !== null) return decoder.decode(token);
  }
  return refuse('DECODER_UNAVAILABLE', 'no keys or credentials for the attested application');
}

/** An appraiser that keeps nothing of its own. Where policy is off, no token is looked at. */
export function createIntegrityAppraiser(ports: IntegrityAppraiserPorts): IntegrityAppraiser {
  return {
    appraise: async ({ token, transcript, at, application }) => {
      const policy = ports.policy();
      if (policy.mode === 'off') return integrityNotAsked();
      const decoded = await decode(token, application, ports);
      return appraiseIntegrity(decoded, { policy, at, transcript, application });
    },
  };
}
