import { z } from 'zod';
import { type ReadTap, type RecordedTap, readTap, recordedTap } from '../emv/record.ts';
import { accountDataHash, tapHash } from '../encoding/contexts.ts';
import { equalBytes } from '../encoding/digest.ts';
import type { HeldPinBlock } from '../pin/store.ts';
import { isReason, type Reason } from '../reasons/catalogue.ts';
import type { CardholderVerification, TransactionTerms } from '../sessions/transaction.ts';
import type { PaymentIntent } from './intent.ts';
import type { SituationKeySet } from './key-set.ts';

/** What stands for the PIN of an intent. `other`: a block is held that is not the intent's, or of another tap. */
export type PinState = 'none' | 'held' | 'lost' | 'other';

/** What of a payment the pure checks look at. Nothing of it is secret. */
export interface PaymentFacts {
  readonly acquirer: string;
  readonly terms: TransactionTerms;
  readonly accountDataKsn: Buffer;
  /** Null where no PIN was entered. */
  readonly pinKsn: Buffer | null;
  readonly pin: PinState;
  readonly claimedVerification: CardholderVerification;
  /** As it was read, or of a decision that was kept, as it is recorded. */
  readonly tap: ReadTap | RecordedTap;
  /** 32 bytes. */
  readonly tapHash: Buffer;
}

/** The facts of a payment that is being decided. */
export interface ReadFacts extends PaymentFacts {
  readonly tap: ReadTap;
}

/** What a decision rested on beside its grant: enough to take it again. */
export interface DecisionFacts {
  readonly payment: PaymentFacts;
  /** Null where the device was given no such keys. */
  readonly keySet: SituationKeySet | null;
  /** Id of the appraisal that the session rests on; null for sessions of before it was kept. */
  readonly appraisalId: string | null;
  /** Reasons that no pure check can find again: of the vault, and of what other payments have done. */
  readonly foundElsewhere: readonly Reason[];
}

/** The facts of an intent, with the whole tap: what is judged. */
export function factsOf(intent: PaymentIntent, held: HeldPinBlock | null): ReadFacts {
  const { ksn, initializationVector, ciphertext } = intent.accountData;
  return {
    acquirer: intent.acquirer,
    terms: intent.terms,
    accountDataKsn: ksn,
    pinKsn: intent.pin?.ksn ?? null,
    pin: pinState(intent, held),
    claimedVerification: intent.claimedVerification,
    tap: readTap(intent.emvData),
    tapHash: tapHash(intent.emvData, ksn, initializationVector, ciphertext),
  };
}

function pinState({ pin, accountData }: PaymentIntent, held: HeldPinBlock | null): PinState {
  if (pin === null) return 'none';
  if (held === null) return 'lost';
  const { ksn, initializationVector, ciphertext } = accountData;
  const bound =
    equalBytes(held.hash, pin.blockHash) &&
    equalBytes(held.accountDataHash, accountDataHash(ksn, initializationVector, ciphertext));
  return bound ? 'held' : 'other';
}

/** The facts as they are kept: of the tap, what a rule looks at. */
export function recorded(facts: PaymentFacts): PaymentFacts {
  return 'icc' in facts.tap ? { ...facts, tap: recordedTap(facts.tap) } : facts;
}

const hex = z
  .string()
  .regex(/^([0-9a-f]{2})*$/)
  .transform((text) => Buffer.from(text, 'hex'));
const reason = z.string().refine(isReason);
const date = z.iso.datetime().transform((text) => new Date(text));

const factsSchema = z.strictObject({
  form: z.literal(1),
  payment: z.strictObject({
    acquirer: z.string(),
    terms: z.strictObject({
      type: z.enum(['sale', 'refund', 'void', 'zero-amount']),
      amountMinor: z
        .string()
        .regex(/^\d{1,19}$/)
        .transform(BigInt),
      currency: z.int(),
      merchant: z.string(),
      order: z.string(),
    }),
    accountDataKsn: hex,
    pinKsn: hex.nullable(),
    pin: z.enum(['none', 'held', 'lost', 'other']),
    claimedVerification: z.enum(['none', 'online-pin', 'device']),
    tap: z.union([z.strictObject({ emvData: hex }), z.strictObject({ unreadable: reason })]),
    tapHash: hex,
  }),
  keySet: z
    .strictObject({
      status: z.enum(['offered', 'active', 'retired']),
      pinInitialKeyId: hex,
      expiresAt: date,
      retiredAt: date.nullable(),
    })
    .nullable(),
  appraisalId: z.string().nullable(),
  foundElsewhere: z.array(reason),
});

/** Facts as canonical JSON, members in the order of their names: bytes in hex, amounts as decimal text. */
export function factsToJson({ payment, keySet, appraisalId, foundElsewhere }: DecisionFacts): string {
  const { terms, tap } = payment;
  return JSON.stringify({
    appraisalId,
    form: 1,
    foundElsewhere,
    keySet: keySet && {
      expiresAt: keySet.expiresAt.toISOString(),
      pinInitialKeyId: keySet.pinInitialKeyId.toString('hex'),
      retiredAt: keySet.retiredAt?.toISOString() ?? null,
      status: keySet.status,
    },
    payment: {
      accountDataKsn: payment.accountDataKsn.toString('hex'),
      acquirer: payment.acquirer,
      claimedVerification: payment.claimedVerification,
      pin: payment.pin,
      pinKsn: payment.pinKsn?.toString('hex') ?? null,
      tap: 'emvData' in tap ? { emvData: tap.emvData.toString('hex') } : { unreadable: tap.unreadable },
      tapHash: payment.tapHash.toString('hex'),
      terms: {
        amountMinor: terms.amountMinor.toString(),
        currency: terms.currency,
        merchant: terms.merchant,
        order: terms.order,
        type: terms.type,
      },
    },
  });
}

/** Facts out of parsed JSON; null for decisions of before they were kept. One row that is broken takes no other with it. */
export function factsFromJson(json: unknown): DecisionFacts | 'unreadable' | null {
  if (json === null || json === undefined) return null;
  const read = factsSchema.safeParse(json);
  if (!read.success) return 'unreadable';
  const { payment, keySet, appraisalId, foundElsewhere } = read.data;
  return { payment, keySet, appraisalId, foundElsewhere };
}
