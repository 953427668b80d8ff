import { ok, refuse } from '../../reasons/result.ts';
import type { AttributeDeviation } from '../key-block/attributes.ts';
import type { PaymentResult } from '../reason.ts';

/**
 * A departure from TR-34:2019, or from what is wise today, that leaves a token genuine and readable. None is tolerated
 * unless the caller names it.
 */
export type Tr34Deviation =
  | AttributeDeviation
  /** The key block is under three-key TDEA, as TR-34:2012 has it. */
  | 'TDES_CONTENT_ENCRYPTION'
  /** The ephemeral key is weaker than the key that it carries. */
  | 'CONTENT_KEY_WEAKER_THAN_KEY'
  /** The device's RSA key is weaker than the key that it carries. */
  | 'TRANSPORT_KEY_WEAKER_THAN_KEY'
  /** Signed attributes that are not in the order of DER, as in the standard's own sample. */
  | 'ATTRIBUTES_NOT_SORTED'
  /** The enveloped data lacks its SEQUENCE, as PKCS #7 and the standard's own sample have it. */
  | 'ENVELOPE_WITHOUT_SEQUENCE'
  /** The host sent no revocation list with the key. */
  | 'NO_REVOCATION_LIST';

/** What a host or a device tolerates; nothing where absent. */
export interface Tr34Policy {
  readonly tolerate?: ReadonlySet<Tr34Deviation>;
}

/** The deviations, where every one is tolerated; else TR34_DEVIATION with the first that is not. */
export function tolerated(
  deviations: readonly Tr34Deviation[],
  { tolerate }: Tr34Policy,
): PaymentResult<readonly Tr34Deviation[], 'TR34_DEVIATION'> {
  const refused = deviations.find((deviation) => tolerate?.has(deviation) !== true);
  return refused === undefined ? ok(deviations) : refuse('TR34_DEVIATION', refused);
}

/** Strength of an RSA key in bits (NIST SP 800-57 part 1 table 2). */
export function rsaStrength(modulusBits: number): number {
  return modulusBits >= 3072 ? 128 : 112;
}
