/** What Google Play says of an application (`appRecognitionVerdict`). */
export const APP_RECOGNITION_VERDICTS = ['PLAY_RECOGNIZED', 'UNRECOGNIZED_VERSION', 'UNEVALUATED'] as const;

/** Integrity labels of a physical phone, the weakest first; a phone may carry several. */
export const DEVICE_INTEGRITY_LABELS = [
  'MEETS_BASIC_INTEGRITY',
  'MEETS_DEVICE_INTEGRITY',
  'MEETS_STRONG_INTEGRITY',
] as const;

/** The label of an emulator that runs Google Play. */
export const VIRTUAL_INTEGRITY_LABEL = 'MEETS_VIRTUAL_INTEGRITY';

/** How many integrity tokens the phone asked for in the last hour (`deviceActivityLevel`), the fewest first. */
export const DEVICE_ACTIVITY_LEVELS = ['LEVEL_1', 'LEVEL_2', 'LEVEL_3', 'LEVEL_4'] as const;

/** A verdict that Google Play did not come to. */
export const UNEVALUATED = 'UNEVALUATED';

/** Whether the user's account got the application from Google Play (`appLicensingVerdict`). */
export const APP_LICENSING_VERDICTS = ['LICENSED', 'UNLICENSED', 'UNEVALUATED'] as const;

/** The state of Google Play Protect (`playProtectVerdict`). */
export const PLAY_PROTECT_VERDICTS = [
  'NO_ISSUES',
  'NO_DATA',
  'POSSIBLE_RISK',
  'MEDIUM_RISK',
  'HIGH_RISK',
  'UNEVALUATED',
] as const;

/** What other running applications are able to do (`appsDetected`): capture the screen, cover it, operate it. */
export const APP_ACCESS_RISKS = [
  'KNOWN_CAPTURING',
  'KNOWN_OVERLAYS',
  'KNOWN_CONTROLLING',
  'UNKNOWN_CAPTURING',
  'UNKNOWN_OVERLAYS',
  'UNKNOWN_CONTROLLING',
] as const;

/** Other applications are installed (`appsDetected`); no risk by itself. */
export const APPS_INSTALLED = ['KNOWN_INSTALLED', 'UNKNOWN_INSTALLED'] as const;
