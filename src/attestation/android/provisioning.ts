import { type CborFailure, decodeCbor } from '../../encoding/cbor.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';

/** What the provisioning server states in the certificate of a remotely provisioned attestation key. */
export interface ProvisioningInfo {
  /** Certificates issued to this phone in the last 30 days; null where it is not stated. */
  readonly certificatesIssued: number | null;
}

/** Why provisioning information cannot be read. */
export type ProvisioningFailure = CborFailure | 'PROVISIONING_INFO_NOT_A_MAP';

const LIMITS = { maximumBytes: 1024, maximumDepth: 4, maximumItems: 64 };
const CERTIFICATES_ISSUED = 1;

/** Parses the remote provisioning extension (1.3.6.1.4.1.11129.2.1.30): a CBOR map. Unknown keys are allowed. */
export function parseProvisioningInfo(content: Uint8Array): Result<ProvisioningInfo, ProvisioningFailure> {
  const decoded = decodeCbor(content, LIMITS);
  if (!decoded.ok) return decoded;
  if (!(decoded.value instanceof Map)) return refuse('PROVISIONING_INFO_NOT_A_MAP');
  const issued = decoded.value.get(CERTIFICATES_ISSUED);
  return ok({ certificatesIssued: typeof issued === 'number' ? issued : null });
}
