import type { PaymentRequest } from '../gate/case.ts';
import type { GateAnswer } from '../gate/decision.ts';
import type {
  AuthorizePaymentRequest,
  AuthorizePaymentResponse,
  PaymentUnavailable,
} from '../gen/tapgate/v1/payment_gate_service.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, type Result } from '../reasons/result.ts';
import { malformed } from './decode.ts';
import { refusalMessage } from './refusal.ts';
import { signedFromWire } from './signed.ts';

const RETRY_AFTER = 1_000;

/** A payment that processing asks for; `caller` is the acquirer that its certificate names. Refuses with MALFORMED_MESSAGE. */
export function paymentFromWire(
  request: AuthorizePaymentRequest,
  caller: string,
): Result<PaymentRequest, 'MALFORMED_MESSAGE'> {
  const intent = signedFromWire(request.intent, 'intent');
  if (!intent.ok) return intent;
  if (request.deviceToken.length === 0) return malformed('device_token');
  return ok({ caller, token: request.deviceToken, intent: intent.value, sessionKey: request.sessionPublicKey });
}

/** That nothing was decided, and when to ask again. */
export function undecided(reason: Reason, retryAfterMilliseconds: number = RETRY_AFTER): PaymentUnavailable {
  return { refusal: refusalMessage('partner', [reason]), retryAfterMilliseconds };
}

/** The gate's answer as processing reads it. */
export function paymentAnswerToWire(answer: GateAnswer): AuthorizePaymentResponse {
  switch (answer.outcome) {
    case 'approved': {
      const { receipt, accountData, pinBlock, pinLost, accountDataLost } = answer;
      const value = {
        receipt,
        accountData: accountData ?? undefined,
        pinBlock: pinBlock ?? undefined,
        pinLost,
        accountDataLost: accountDataLost === null ? undefined : refusalMessage('partner', [accountDataLost]),
      };
      return { outcome: { $case: 'approved', value } };
    }
    case 'refused': {
      const { reasons, receipt } = answer;
      return { outcome: { $case: 'refused', value: { refusal: refusalMessage('partner', reasons), receipt } } };
    }
    case 'unavailable':
      return { outcome: { $case: 'unavailable', value: undecided(answer.reason) } };
  }
}
