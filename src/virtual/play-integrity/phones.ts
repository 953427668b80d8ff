import { sha256 } from '../../encoding/digest.ts';
import type { IntegrityPayload } from './payload.ts';

/** How old the token of a phone is that sends an old one. */
const EXPIRED_MILLISECONDS = 2 * 3_600_000;
const digestOf = (text: string): string => sha256(Buffer.from(text)).toString('base64url');

/** Phones of which Google Play speaks ill, or that send what was said of another phone or time. */
export type HostileIntegrityName =
  | 'another-package'
  | 'another-signer'
  | 'another-transcript'
  | 'unrecognized-app'
  | 'unlicensed'
  | 'basic-integrity'
  | 'no-integrity'
  | 'emulator'
  | 'device-farm'
  | 'play-protect-off'
  | 'capturing'
  | 'overlays'
  | 'controlling'
  | 'testing-response'
  | 'expired';

const withDevice =
  (deviceIntegrity: Partial<IntegrityPayload['deviceIntegrity']>) =>
  (honest: IntegrityPayload): IntegrityPayload => ({
    ...honest,
    deviceIntegrity: { ...honest.deviceIntegrity, ...deviceIntegrity },
  });

const withEnvironment =
  (environmentDetails: Partial<IntegrityPayload['environmentDetails']>) =>
  (honest: IntegrityPayload): IntegrityPayload => ({
    ...honest,
    environmentDetails: { ...honest.environmentDetails, ...environmentDetails },
  });

const withApps = (...appsDetected: readonly string[]) =>
  withEnvironment({
    appAccessRiskVerdict: { appsDetected: ['KNOWN_INSTALLED', 'UNKNOWN_INSTALLED', ...appsDetected] },
  });

/** What Google Play says of each hostile phone, made from what it says of an honest one: one thing is wrong. */
export const HOSTILE_VERDICTS: Readonly<Record<HostileIntegrityName, (honest: IntegrityPayload) => IntegrityPayload>> =
  {
    'another-package': (honest) => ({
      ...honest,
      requestDetails: { ...honest.requestDetails, requestPackageName: 'org.tapgate.another' },
      appIntegrity: { ...honest.appIntegrity, packageName: 'org.tapgate.another' },
    }),
    'another-signer': (honest) => ({
      ...honest,
      appIntegrity: { ...honest.appIntegrity, certificateSha256Digest: [digestOf('another signer')] },
    }),
    'another-transcript': (honest) => ({
      ...honest,
      requestDetails: { ...honest.requestDetails, nonce: digestOf('another transcript') },
    }),
    'unrecognized-app': (honest) => ({
      ...honest,
      appIntegrity: { ...honest.appIntegrity, appRecognitionVerdict: 'UNRECOGNIZED_VERSION' },
    }),
    unlicensed: (honest) => ({ ...honest, accountDetails: { appLicensingVerdict: 'UNLICENSED' } }),
    'basic-integrity': withDevice({ deviceRecognitionVerdict: ['MEETS_BASIC_INTEGRITY'] }),
    'no-integrity': withDevice({ deviceRecognitionVerdict: [] }),
    emulator: withDevice({ deviceRecognitionVerdict: ['MEETS_VIRTUAL_INTEGRITY'] }),
    'device-farm': withDevice({ recentDeviceActivity: { deviceActivityLevel: 'LEVEL_4' } }),
    'play-protect-off': withEnvironment({ playProtectVerdict: 'POSSIBLE_RISK' }),
    capturing: withApps('UNKNOWN_CAPTURING'),
    overlays: withApps('UNKNOWN_OVERLAYS'),
    controlling: withApps('KNOWN_CONTROLLING'),
    'testing-response': (honest) => ({ ...honest, testingDetails: { isTestingResponse: true } }),
    expired: (honest) => ({
      ...honest,
      requestDetails: {
        ...honest.requestDetails,
        timestampMillis: String(Number(honest.requestDetails.timestampMillis) - EXPIRED_MILLISECONDS),
      },
    }),
  };
