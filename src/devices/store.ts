import type { PlatformFacts } from '../attestation/android/platform.ts';
import type { Check, KeyFacts } from '../attestation/appraise.ts';
import type { AttestedState, Device } from './device.ts';

/** A new invite as it is stored. */
export interface NewInvite {
  readonly id: string;
  readonly codeHash: Buffer;
  readonly acquirer: string;
  readonly merchant: string;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** An invite that may still be used. */
export interface OpenInvite {
  readonly id: string;
  readonly acquirer: string;
  readonly merchant: string;
}

/** Durable invites. */
export interface InviteStore {
  addInvite(invite: NewInvite): Promise<void>;
  /** The invite with this code hash, unless it is used, withdrawn or expired. */
  openInvite(codeHash: Buffer, now: Date): Promise<OpenInvite | null>;
  /** The device that was enrolled with this code hash, if any. */
  enrolledDevice(codeHash: Buffer): Promise<string | null>;
}

/** A session that an accepted appraisal opens: the session key and what was attested with it. */
export interface NewSession {
  /** RFC 7638 thumbprint. */
  readonly thumbprint: string;
  readonly publicKey: Buffer;
  /** Other applications may see or cover the pad, so no PIN is entered in this session. */
  readonly pinForbidden: boolean;
  readonly appraisal: AcceptedAppraisal;
}

/** An accepted appraisal as the record shows it. */
export interface AppraisalRecord {
  readonly id: string;
  readonly appraisedAt: Date;
  readonly policyVersion: string;
  readonly checks: readonly Check[];
}

/** An accepted appraisal as it is kept, with the facts that it rests on. */
export interface AcceptedAppraisal extends AppraisalRecord {
  readonly facts: KeyFacts;
}

/** A session key that was attested, with its device's standing. */
export interface AttestedSession {
  readonly thumbprint: string;
  readonly deviceId: string;
  readonly publicKey: Buffer;
  readonly status: 'active' | 'revoked';
  readonly pinForbidden: boolean;
  readonly acquirer: string;
  readonly merchant: string;
  readonly deviceStatus: Device['status'];
  /** False once the phone has attested with a newer session key. */
  readonly current: boolean;
  /** What later keys of this phone are compared with. */
  readonly platform: PlatformFacts;
}

/** One page of devices. */
export interface DevicePage {
  readonly devices: readonly Device[];
  /** Where the next page begins, or null. */
  readonly next: string | null;
}

/** Durable devices and their attested session keys. */
export interface DeviceStore {
  device(id: string): Promise<Device | null>;
  session(thumbprint: string): Promise<AttestedSession | null>;
  /**
   * Uses the invite up and enrols the device with its first session, all or nothing; false where the invite is no longer
   * open.
   */
  enrol(
    inviteId: string,
    device: { readonly id: string; readonly deviceKey: Buffer; readonly attested: AttestedState },
    session: NewSession,
  ): Promise<boolean>;
  /** Makes the session the device's current one; false where the device is no longer active. */
  renew(deviceId: string, attested: AttestedState, session: NewSession): Promise<boolean>;
  /** Revokes the device and all its sessions in one transaction; null where there is no such device. */
  revoke(deviceId: string, by: string, cause: string, now: Date): Promise<Device | null>;
  list(filter: {
    readonly merchant: string | null;
    readonly after: string | null;
    readonly limit: number;
  }): Promise<DevicePage>;
  lastAppraisal(deviceId: string): Promise<AppraisalRecord | null>;
}
