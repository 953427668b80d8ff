import type { TransactionTerms } from '../../sessions/transaction.ts';
import { PhoneRefused, ServiceNotTrusted } from '../phone/refused.ts';
import type { World } from '../world/world.ts';

/** What an attack ended with: a code of the reasons catalogue, or one of these. */
export type AttackOutcome = string;

/** The phone itself refused what the attacker planted. */
export const REFUSED_BY_PHONE = 'REFUSED_BY_PHONE';

/** Nothing refused: the attack succeeded. */
export const ALLOWED = 'ALLOWED';

/** One attack on a running world, and the reason with which it has to be refused. */
export interface Attack {
  readonly name: string;
  /** What the attacker does. */
  readonly story: string;
  readonly expects: AttackOutcome;
  /** It takes many seconds, in which it does nothing: begun early, it keeps nobody waiting. */
  readonly lasting?: true;
  run(world: World): Promise<AttackOutcome>;
}

/**
 * Runs an attacker's step and says how it was refused, or ALLOWED. Anything but a refusal is thrown on. What the phone is
 * not told is looked up where operators read it: `ATTESTATION_REFUSED (CHAIN_REVOKED)`, `INVITE_INVALID (expired)`.
 */
export async function outcomeOf(world: World, step: () => Promise<unknown>): Promise<AttackOutcome> {
  try {
    await step();
    return ALLOWED;
  } catch (error) {
    if (error instanceof PhoneRefused) return describe(world, error);
    if (error instanceof ServiceNotTrusted) return REFUSED_BY_PHONE;
    throw error;
  }
}

async function describe(world: World, { reasons, callId }: PhoneRefused): Promise<AttackOutcome> {
  const [told = 'UNKNOWN'] = reasons;
  if (told === 'ATTESTATION_REFUSED') return `${told} (${(await world.operatorView(callId)).reason})`;
  if (told === 'INVITE_INVALID') return `${told} (${(await world.operatorView(callId)).detail.split(':')[0]})`;
  return told;
}

/** Terms of a sale with an order number of its own. */
export function saleOf(world: World, amountMinor: bigint): TransactionTerms {
  const order = `order-${world.random.bytes(6).toString('hex')}`;
  return { type: 'sale', amountMinor, currency: 978, merchant: 'courier-7', order };
}
