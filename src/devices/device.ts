/** Whether a device may attest, hold keys and pay. */
export type DeviceStatus = 'active' | 'suspended' | 'revoked';

/** An enrolled phone. */
export interface Device {
  readonly id: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly status: DeviceStatus;
  /** SubjectPublicKeyInfo of the device key that was pinned at enrolment. */
  readonly deviceKey: Buffer;
  readonly enrolledAt: Date;
  readonly attestedAt: Date;
  readonly attested: AttestedState;
}

/** What the latest appraisal says of the phone, for lists and for continuity. */
export interface AttestedState {
  readonly packageName: string;
  readonly appVersion: bigint;
  /** YYYYMM, or empty where unknown. */
  readonly osPatchLevel: string;
  readonly securityLevel: string;
}

/** The reason for which a device that is not active is refused, or null where it is active. */
export function standingRefusal(status: DeviceStatus): 'DEVICE_SUSPENDED' | 'DEVICE_REVOKED' | null {
  if (status === 'active') return null;
  return status === 'suspended' ? 'DEVICE_SUSPENDED' : 'DEVICE_REVOKED';
}
