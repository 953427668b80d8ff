import { CONTEXT } from '../../encoding/signed.ts';
import type { PaymentIntent } from '../../gate/intent.ts';
import type { AuthorizePaymentRequest } from '../../gen/tapgate/v1/payment_gate_service.ts';
import type { EncryptedAccountData } from '../../pin/vault.ts';
import { signedToWire } from '../../wire/signed.ts';
import { encodeIntent } from '../../wire/transaction.ts';
import { type PhoneMemory, sessionOf, signFor } from './memory.ts';
import type { EnteredPin } from './pin.ts';
import type { PhoneTransaction } from './session.ts';

/** What a phone submits to processing, which passes it to the gate as it is. */
export type SignedPayment = Required<AuthorizePaymentRequest>;

/** Signs the intent of a tap: the commitment's own terms, the card's data, the PIN if one was entered. */
export function signPayment(
  memory: PhoneMemory,
  transaction: PhoneTransaction,
  tap: { readonly iccData: Buffer; readonly accountData: EncryptedAccountData },
  pin: EnteredPin | null,
  tampering: { readonly intent?: (intent: PaymentIntent) => PaymentIntent } = {},
): SignedPayment {
  const session = sessionOf(memory);
  const { grant } = transaction;
  const honest: PaymentIntent = {
    acquirer: grant.acquirer,
    thumbprint: session.thumbprint,
    grantId: grant.id,
    terms: grant.terms,
    emvData: tap.iccData,
    accountData: tap.accountData,
    claimedVerification: pin === null ? 'none' : 'online-pin',
    pin: pin === null ? null : { ksn: pin.ksn, blockHash: pin.blockHash },
  };
  const payload = encodeIntent(tampering.intent?.(honest) ?? honest);
  return {
    deviceToken: session.token,
    intent: signedToWire(signFor(CONTEXT.paymentIntent, payload, session.key.privateKey)),
    sessionPublicKey: session.key.publicKey,
  };
}
