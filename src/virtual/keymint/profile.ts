/** Where a virtual phone's keys are said to live. */
export type VirtualSecurityLevel = 'software' | 'tee' | 'strongbox';

/** How the phone started, as its hardware attests it. */
export type VirtualBootState = 'verified' | 'self-signed' | 'unverified' | 'failed';

/** The application that asks for keys. */
export interface VirtualApplication {
  readonly packageName: string;
  readonly version: number;
  /** SHA-256 of the signing certificate: 64 hexadecimal digits. */
  readonly signerDigest: string;
}

/** Everything that a virtual phone's KeyMint attests. Plain values: it survives JSON. */
export interface VirtualPhoneProfile {
  readonly securityLevel: VirtualSecurityLevel;
  /** Version of the KeyDescription: 1 to 4 (Keymaster), 100 to 400 (KeyMint). */
  readonly attestationVersion: number;
  /** Version of Keymaster (2, 3, 4, 41) or KeyMint (100 to 400). */
  readonly keymintVersion: number;
  /** `factory`: a batch key of the maker, shared by many phones. `rkp`: a short-lived certificate of this phone's own. */
  readonly provisioning: 'factory' | 'rkp';
  /** When the attestation key was certified: an ISO 8601 instant. Validity is counted from it. */
  readonly provisionedAt: string;
  /** Algorithm of the attestation key; RKP knows EC only. */
  readonly attestationKey: 'EC' | 'RSA';
  /** Factory: serial number of the batch certificate, hex, where it is to be known beforehand. */
  readonly batchSerial?: string;
  /** RKP: certificates issued to this phone in the last 30 days. */
  readonly certificatesIssued: number;
  /** 32 bytes, 64 hexadecimal digits; as is `verifiedBootHash`. */
  readonly verifiedBootKey: string;
  readonly deviceLocked: boolean;
  readonly verifiedBootState: VirtualBootState;
  readonly verifiedBootHash: string;
  /** Version of Android × 10 000, for example 150000. */
  readonly osVersion: number;
  /** YYYYMM; 0 is unknown. */
  readonly osPatchLevel: number;
  /** YYYYMMDD; 0 is unknown. */
  readonly vendorPatchLevel: number;
  /** YYYYMMDD; 0 is unknown. */
  readonly bootPatchLevel: number;
  /** Null where the system did not name the application. */
  readonly application: VirtualApplication | null;
}
