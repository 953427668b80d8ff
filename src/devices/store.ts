import type { PlatformFacts } from '../attestation/android/platform.ts';
import type { Check, KeyFacts } from '../attestation/appraise.ts';
import type { TrustVector } from '../tokens/trust-vector.ts';
import type { Acceptance, JudgePhone } from './acceptance.ts';
import type { AttestedState, Device } from './device.ts';
import type { Invite, InviteStanding, NewInvite } from './invite-state.ts';
import type { Sighting } from './sighting.ts';

/** What became of a new invite. */
export type AddedInvite = 'added' | 'limit-reached' | 'no-such-device' | 'device-revoked';

/** What is asked of the list of invites; newest first. */
export interface InviteQuery {
  readonly merchant: string | null;
  readonly standing: InviteStanding | null;
  /** The last invite of the page before; null for the first page. */
  readonly after: { readonly createdAt: Date; readonly id: string } | null;
  readonly limit: number;
}

/** Durable invites. */
export interface InviteStore {
  /**
   * Adds an invite unless the merchant has `limit` open ones already. A device that it replaces has to be of its acquirer
   * and merchant, and not revoked. Counted and added in one transaction.
   */
  addInvite(invite: NewInvite, limit: number): Promise<AddedInvite>;
  /** The invite with this code hash, whatever its standing. */
  inviteOfCode(codeHash: Buffer): Promise<Invite | null>;
  invite(id: string): Promise<Invite | null>;
  /** Withdraws an invite that was not used; answers it as it then stands, null where there is none. */
  withdraw(id: string, by: string, at: Date): Promise<Invite | null>;
  list(query: InviteQuery, now: Date): Promise<readonly Invite[]>;
}

/** A session that an accepted appraisal opens: the session key and what was attested with it. */
export interface NewSession {
  /** RFC 7638 thumbprint. */
  readonly thumbprint: string;
  readonly publicKey: Buffer;
  /** Other applications may see or cover the pad, so no PIN is entered in this session. */
  readonly pinForbidden: boolean;
  /** What the tokens of this session say of the phone. */
  readonly trustVector: TrustVector;
  readonly appraisal: AcceptedAppraisal;
  /** The chains that were appraised, leaf first; the device key's is empty but for an enrolment. */
  readonly evidence: {
    readonly sessionChain: readonly Uint8Array[];
    readonly deviceChain: readonly Uint8Array[];
  };
  /** The attestation keys of these chains. */
  readonly sightings: readonly Sighting[];
}

/** A device that an enrolment adds. */
export interface NewDevice {
  readonly id: string;
  readonly deviceKey: Buffer;
  readonly attested: AttestedState;
}

/** An accepted appraisal as it is kept, with the facts that it rests on. */
export interface AcceptedAppraisal {
  readonly id: string;
  readonly appraisedAt: Date;
  readonly policyVersion: string;
  readonly checks: readonly Check[];
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
  /** Null for a session of before trust vectors were kept: it is not resumed. */
  readonly trustVector: TrustVector | null;
  /** When the evidence of this session was accepted; resuming it does not change that. */
  readonly attestedAt: Date;
  /** False once the phone has attested with a newer session key. */
  readonly current: boolean;
  /** What later keys of this phone are compared with. */
  readonly platform: PlatformFacts;
  /** SHA-256 of the SubjectPublicKeyInfo of each attestation key that the device has shown, hex. */
  readonly attestationKeys: readonly string[];
}

/** Durable devices and their attested session keys. */
export interface DeviceStore {
  device(id: string): Promise<Device | null>;
  session(thumbprint: string): Promise<AttestedSession | null>;
  /**
   * Uses the invite up and enrols the device with its first session, all or nothing, where `judge` finds nothing against
   * it. A device that the invite replaces is revoked with its sessions in the same transaction, and its revocation
   * published. The checks of `judge` are kept with the appraisal.
   */
  enrol(inviteId: string, device: NewDevice, session: NewSession, judge: JudgePhone): Promise<Acceptance>;
  /** Makes the session the device's current one and raises its baseline, where `judge` finds nothing against it. */
  renew(deviceId: string, attested: AttestedState, session: NewSession, judge: JudgePhone): Promise<Acceptance>;
  /**
   * Notes that the session is resumed. Answers when its token is issued: at `at`, unless the device's last token is of
   * another clock and later. Null where it is not the active session of an active device.
   */
  resume(thumbprint: string, deviceId: string, at: Date): Promise<Date | null>;
}
