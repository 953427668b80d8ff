import type { SessionPolicy } from '../../src/sessions/policy.ts';

/** The policy of these tests. */
export const SESSION_POLICY: SessionPolicy = {
  idleReportMilliseconds: 120_000,
  paymentReportMilliseconds: 5_000,
  reportGraceMilliseconds: 3_000,
  reportJitterFraction: 0,
  maximumPostureAgeMilliseconds: 30_000,
  silenceMilliseconds: 60_000,
  attestAgainSeconds: 120,
  rotateKeysAtFraction: 0.9,
  grantSeconds: 120,
  counterWindow: 10,
  postureForbidsPayment: ['background', 'overlay', 'screen-capture', 'debugger', 'hooking'],
  currencies: [
    { currency: 978, maximumAmountMinor: 500_000, noPinAmountMinor: 5_000 },
    { currency: 392, maximumAmountMinor: 0, noPinAmountMinor: 0 },
  ],
  verificationLimits: [],
};
