import type { Attack } from './attack.ts';
import { ATTESTATION_ATTACKS } from './on-attestation.ts';
import { CARD_ATTACKS } from './on-cards.ts';
import { DEVICE_ATTACKS } from './on-devices.ts';
import { GRANT_ATTACKS } from './on-grants.ts';
import { KEY_ATTACKS } from './on-keys.ts';
import { LOAD_ATTACKS } from './on-load.ts';
import { PAYMENT_ATTACKS } from './on-payments.ts';
import { PIN_ATTACKS } from './on-pin.ts';
import { RECEIPT_ATTACKS } from './on-receipts.ts';
import { SESSION_ATTACKS } from './on-sessions.ts';

/** Every attack, along the path. */
export const ATTACKS: readonly Attack[] = [
  ...ATTESTATION_ATTACKS,
  ...DEVICE_ATTACKS,
  ...KEY_ATTACKS,
  ...SESSION_ATTACKS,
  ...PIN_ATTACKS,
  ...GRANT_ATTACKS,
  ...PAYMENT_ATTACKS,
  ...CARD_ATTACKS,
  ...RECEIPT_ATTACKS,
  ...LOAD_ATTACKS,
];
