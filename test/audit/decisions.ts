import type { PaymentPolicy } from '../../src/audit/backtest.ts';
import type { DecisionRecord } from '../../src/audit/decision-record.ts';
import type { DecisionFacts } from '../../src/gate/facts.ts';
import { gatePolicySchema } from '../../src/gate/policy.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { sessionPolicySchema } from '../../src/sessions/policy.ts';
import type { TransactionGrant } from '../../src/sessions/transaction.ts';
import { START } from '../support/clock.ts';
import { factsOfGrant } from '../support/enrolled.ts';

const KSN = Buffer.alloc(12, 1);

/** A decision as it was kept: an approved sale of 12.50 EUR without a PIN, with changes. */
export function kept({
  grant = {},
  payment = {},
  facts = {},
  ...over
}: Partial<Omit<DecisionRecord, 'facts'>> & {
  grant?: Partial<TransactionGrant>;
  payment?: Partial<DecisionFacts['payment']>;
  facts?: Partial<DecisionFacts> | null;
} = {}): DecisionRecord {
  const decidedAt = over.decidedAt ?? secondsAfter(START, 10);
  const granted: TransactionGrant = {
    id: 'grant-1',
    nonce: Buffer.alloc(16),
    deviceId: 'device-1',
    thumbprint: 'thumbprint',
    acquirer: 'acquirer-a',
    terms: { type: 'sale', amountMinor: 1250n, currency: 978, merchant: 'shop', order: 'order-1' },
    pinKsn: KSN,
    accountDataKsn: KSN,
    sequence: 1n,
    expectedVerification: 'none',
    pinAllowed: true,
    issuedAt: secondsAfter(decidedAt, -10),
    expiresAt: secondsAfter(decidedAt, 110),
    policyVersion: 'policy-1',
    sameTap: null,
    ...grant,
  };
  const whole = factsOfGrant(granted);
  return {
    grantId: granted.id,
    outcome: 'approved',
    reasons: [],
    receipt: '',
    deviceId: granted.deviceId,
    stored: { grant: granted, signed: { payload: Buffer.alloc(0), signature: Buffer.alloc(0), keyId: '' } },
    gatePolicyVersion: 'policy-1',
    facts:
      facts === null
        ? null
        : {
            ...whole,
            keySet: {
              status: 'active',
              pinInitialKeyId: KSN.subarray(0, 8),
              expiresAt: secondsAfter(decidedAt, 3600),
              retiredAt: null,
            },
            ...facts,
            payment: { ...whole.payment, ...payment },
          },
    ...over,
    decidedAt,
  };
}

/** The policy that `kept` is approved by, with changes. */
export function policy({
  currencies = [{ currency: 978, maximumAmountMinor: 500_000, noPinAmountMinor: 5000 }],
  verificationLimits = [],
  pinAllowed = true,
  gate = {},
}: {
  currencies?: object[];
  verificationLimits?: object[];
  pinAllowed?: boolean;
  gate?: object;
} = {}): PaymentPolicy {
  const sessions = sessionPolicySchema.parse({
    idleReportMilliseconds: 120_000,
    paymentReportMilliseconds: 5000,
    reportGraceMilliseconds: 5000,
    grantSeconds: 120,
    counterWindow: 1000,
    postureForbidsPayment: [],
    currencies,
    verificationLimits,
  });
  return { sessions, pin: { allowed: pinAllowed }, gate: gatePolicySchema.parse(gate) };
}
