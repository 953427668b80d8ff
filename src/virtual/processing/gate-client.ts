import { createPublicKey, type KeyObject } from 'node:crypto';
import { type ClientUnaryCall, Metadata, type ServiceError } from '@grpc/grpc-js';
import { DeviceTokenServiceClient, type JsonWebKey } from '../../gen/tapgate/v1/device_token_service.ts';
import {
  type AuthorizePaymentResponse,
  type PaymentApproved,
  PaymentGateServiceClient,
  type ReportOutcomeResponse,
} from '../../gen/tapgate/v1/payment_gate_service.ts';
import type { Refusal } from '../../gen/tapgate/v1/refusal.ts';
import { isReason, meaningOf, type Reason } from '../../reasons/catalogue.ts';
import { type ChannelTls, channelCredentials, channelOptions } from '../../wire/channel.ts';
import { outcomeToWire } from '../../wire/outcome.ts';
import { codesOf } from '../../wire/refusal.ts';
import { signedToWire } from '../../wire/signed.ts';
import { refusalFromError } from '../../wire/status.ts';
import type { GateDecision, PaymentGate } from './pay.ts';

/** Where the processing listener is, and how processing proves who it is. */
export interface GateAddress {
  /** `host:port`. */
  readonly address: string;
  /** The listener's authority, and the acquirer's client certificate and key. */
  readonly tls: ChannelTls;
  /** Name in the listener's certificate, where it is not the host of the address. */
  readonly serverName?: string;
  readonly deadlineMilliseconds: number;
}

/** A connection to the processing listener. */
export interface GateConnection extends PaymentGate {
  /** The keys that sign receipts, by key id. */
  fetchReceiptKeys(): Promise<ReadonlyMap<string, KeyObject>>;
  close(): void;
}

type Callback<T> = (error: ServiceError | null, response: T) => void;

function answerOf<T>(call: (done: Callback<T>) => ClientUnaryCall): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => {
      if (error) reject(error);
      else resolve(response);
    });
  });
}

/** Codes of a refusal; one of a newer service, which this version does not know, is a refusal without its detail. */
function reasonsOf(refusal: Refusal | undefined): Reason[] {
  return codesOf(refusal).map((code) => (isReason(code) ? code : 'ATTESTATION_REFUSED'));
}

/** A status says that the call was not taken. Only a malformed one is a decision about the payment. */
function decisionOfError(error: unknown): GateDecision {
  const reasons = (refusalFromError(error)?.reasons ?? []).filter(isReason);
  const [first] = reasons;
  if (first === undefined) throw error;
  const { category } = meaningOf(first);
  if (category === 'invalid') return { outcome: 'refused', reasons };
  const temporary = category === 'unavailable' || category === 'exhausted';
  return { outcome: 'unavailable', reasons: temporary ? reasons : ['SERVICE_UNAVAILABLE'] };
}

function approvalOf(approved: PaymentApproved): GateDecision {
  const { receipt, accountData, pinBlock, pinLost, accountDataLost } = approved;
  if (accountDataLost !== undefined) return { outcome: 'data-lost', reasons: reasonsOf(accountDataLost) };
  if (accountData === undefined) throw new Error('an approval without account data');
  return { outcome: 'approved', receipt, accountData, pinBlock: pinBlock ?? null, pinLost };
}

function decisionOf({ outcome }: AuthorizePaymentResponse): GateDecision {
  switch (outcome?.$case) {
    case 'approved':
      return approvalOf(outcome.value);
    case 'refused': {
      const reasons = reasonsOf(outcome.value.refusal);
      return { outcome: 'refused', reasons: reasons.length > 0 ? reasons : ['ATTESTATION_REFUSED'] };
    }
    default:
      return { outcome: 'unavailable', reasons: ['SERVICE_UNAVAILABLE'] };
  }
}

/** Keys of use `receipt`; a key that is none of P-256 is left out. */
function receiptKeysOf(keys: readonly JsonWebKey[]): Map<string, KeyObject> {
  const byId = new Map<string, KeyObject>();
  for (const { kid, x, y, alg, tapgateUse } of keys) {
    if (alg !== 'ES256' || tapgateUse !== 'receipt') continue;
    try {
      byId.set(kid, createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' }));
    } catch {
      // Receipts under it will not verify.
    }
  }
  return byId;
}

/** Connects to the gate with mutual TLS. Every call has the deadline; connections are made when they are needed. */
export function connectGate({ address, tls, serverName, deadlineMilliseconds }: GateAddress): GateConnection {
  const credentials = channelCredentials(tls);
  const options = channelOptions({ keepaliveMilliseconds: 10_000, ...(serverName !== undefined && { serverName }) });
  const gate = new PaymentGateServiceClient(address, credentials, options);
  const tokens = new DeviceTokenServiceClient(address, credentials, options);
  const within = () => ({ deadline: Date.now() + deadlineMilliseconds });
  return {
    async authorizePayment({ deviceToken, intent, sessionKey }) {
      const request = { deviceToken, intent: signedToWire(intent), sessionPublicKey: sessionKey };
      try {
        return decisionOf(
          await answerOf<AuthorizePaymentResponse>((done) =>
            gate.authorizePayment(request, new Metadata(), within(), done),
          ),
        );
      } catch (error) {
        return decisionOfError(error);
      }
    },
    async reportOutcome(report) {
      const request = { ...report, outcome: outcomeToWire(report.outcome) };
      const { answer } = await answerOf<ReportOutcomeResponse>((done) =>
        gate.reportOutcome(request, new Metadata(), within(), done),
      );
      if (answer?.$case === 'recorded') {
        const { parentGrantId, pinTriesLeft } = answer.value;
        return parentGrantId === '' ? null : { parentGrantId, pinTriesLeft };
      }
      throw new Error(`the outcome is not recorded: ${codesOf(answer?.value.refusal).join(', ')}`);
    },
    async fetchReceiptKeys() {
      const { keys } = await answerOf<{ readonly keys: readonly JsonWebKey[] }>((done) =>
        tokens.getJwks({}, new Metadata(), within(), done),
      );
      return receiptKeysOf(keys);
    },
    close() {
      gate.close();
      tokens.close();
    },
  };
}
