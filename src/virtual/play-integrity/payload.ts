import type { VirtualApplication } from '../keymint/profile.ts';

/** A verdict as Google Play writes it: JSON, with digests in base64url and 64-bit numbers as strings. */
export interface IntegrityPayload {
  readonly requestDetails: {
    readonly requestPackageName: string;
    readonly nonce?: string;
    readonly requestHash?: string;
    readonly timestampMillis: string;
  };
  readonly appIntegrity: {
    readonly appRecognitionVerdict: string;
    readonly packageName?: string;
    readonly certificateSha256Digest?: readonly string[];
    readonly versionCode?: string;
  };
  readonly deviceIntegrity: {
    readonly deviceRecognitionVerdict?: readonly string[];
    readonly deviceAttributes?: { readonly sdkVersion: number };
    readonly recentDeviceActivity?: { readonly deviceActivityLevel: string };
  };
  readonly accountDetails: { readonly appLicensingVerdict: string };
  readonly environmentDetails: {
    readonly appAccessRiskVerdict: { readonly appsDetected?: readonly string[] };
    readonly playProtectVerdict: string;
  };
  readonly testingDetails?: { readonly isTestingResponse: boolean };
}

/** What a phone asks Google Play for. */
export interface IntegrityRequest {
  /** The application that asks, as the phone's system knows it. */
  readonly application: VirtualApplication;
  /** Of this attestation: 32 bytes. */
  readonly transcript: Uint8Array;
  readonly at: Date;
}

const digestOf = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');

/** What Google Play says to a classic request of an honest phone, with every opt-in verdict switched on. */
export function honestPayload({ application, transcript, at }: IntegrityRequest): IntegrityPayload {
  return {
    requestDetails: {
      requestPackageName: application.packageName,
      nonce: Buffer.from(transcript).toString('base64url'),
      timestampMillis: String(at.getTime()),
    },
    appIntegrity: {
      appRecognitionVerdict: 'PLAY_RECOGNIZED',
      packageName: application.packageName,
      certificateSha256Digest: [digestOf(application.signerDigest)],
      versionCode: String(application.version),
    },
    deviceIntegrity: {
      deviceRecognitionVerdict: ['MEETS_BASIC_INTEGRITY', 'MEETS_DEVICE_INTEGRITY', 'MEETS_STRONG_INTEGRITY'],
      deviceAttributes: { sdkVersion: 35 },
      recentDeviceActivity: { deviceActivityLevel: 'LEVEL_1' },
    },
    accountDetails: { appLicensingVerdict: 'LICENSED' },
    environmentDetails: {
      appAccessRiskVerdict: { appsDetected: ['KNOWN_INSTALLED', 'UNKNOWN_INSTALLED'] },
      playProtectVerdict: 'NO_ISSUES',
    },
  };
}
