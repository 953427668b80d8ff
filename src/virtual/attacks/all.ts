import type { Attack } from './attack.ts';
import { ATTESTATION_ATTACKS } from './on-attestation.ts';
import { DEVICE_ATTACKS } from './on-devices.ts';
import { KEY_ATTACKS } from './on-keys.ts';
import { PAYMENT_ATTACKS } from './on-payments.ts';
import { PIN_ATTACKS } from './on-pin.ts';
import { SESSION_ATTACKS } from './on-sessions.ts';

/** Every attack, along the path. */
export const ATTACKS: readonly Attack[] = [
  ...ATTESTATION_ATTACKS,
  ...DEVICE_ATTACKS,
  ...KEY_ATTACKS,
  ...SESSION_ATTACKS,
  ...PIN_ATTACKS,
  ...PAYMENT_ATTACKS,
];
