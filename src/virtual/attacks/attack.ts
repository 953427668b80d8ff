import type { TransactionTerms } from '../../sessions/transaction.ts';
import { PhoneRefused, ServiceNotTrusted } from '../phone/refused.ts';
import type { Need } from '../world/places.ts';
import type { Target } from '../world/target.ts';

/** What an attack ended with: a code of the reasons catalogue, or one of these. */
export type AttackOutcome = string;

/** The phone itself refused what the attacker planted. */
export const REFUSED_BY_PHONE = 'REFUSED_BY_PHONE';

/** Nothing refused: the attack succeeded. */
export const ALLOWED = 'ALLOWED';

/** One attack on a running service, and the reason with which it has to be refused. */
export interface Attack {
  readonly name: string;
  /** Its number in the kit; several attacks may be ways to do one. */
  readonly number?: number;
  /** What the attacker does. */
  readonly story: string;
  readonly expects: AttackOutcome;
  /** What it needs beside phones that can be enrolled. */
  readonly needs?: readonly Need[];
  /** It takes many seconds, in which it does nothing: begun early, it keeps nobody waiting. */
  readonly lasting?: true;
  run(target: Target): Promise<AttackOutcome>;
}

/**
 * Runs an attacker's step and says how it was refused, or ALLOWED. Anything but a refusal is thrown on. What the phone is
 * not told is looked up where operators read it, if that can be: `ATTESTATION_REFUSED (CHAIN_REVOKED)`, `INVITE_INVALID
 * (expired)`.
 */
export async function outcomeOf(target: Target, step: () => Promise<unknown>): Promise<AttackOutcome> {
  try {
    await step();
    return ALLOWED;
  } catch (error) {
    if (error instanceof PhoneRefused) return describe(target, error);
    if (error instanceof ServiceNotTrusted) return REFUSED_BY_PHONE;
    throw error;
  }
}

async function describe(target: Target, { reasons, callId }: PhoneRefused): Promise<AttackOutcome> {
  const [told = 'UNKNOWN'] = reasons;
  if (!target.tellsOperators) return told;
  if (told === 'ATTESTATION_REFUSED') return `${told} (${(await target.operatorView(callId)).reason})`;
  if (told === 'INVITE_INVALID') return `${told} (${(await target.operatorView(callId)).detail.split(':')[0]})`;
  return told;
}

/** Terms of a sale with an order number of its own. */
export function saleOf(target: Target, amountMinor: bigint): TransactionTerms {
  const order = `order-${target.random.bytes(6).toString('hex')}`;
  return { type: 'sale', amountMinor, currency: 978, merchant: target.merchant, order };
}
