import type { ShuffleLayoutAnswer } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { uniformIntegers } from '../../payment-crypto/random.ts';
import type { Random } from '../../ports/random.ts';

/** A keypad with its ten digits shuffled, every order as likely as any other (Fisher and Yates; unbiased draws). */
export function shuffleLayout(random: Random): ShuffleLayoutAnswer {
  const digits = [...'0123456789'];
  for (let last = digits.length - 1; last > 0; last--) {
    const [drawn = 0] = uniformIntegers(random, last + 1, 1);
    [digits[last], digits[drawn]] = [digits[drawn]!, digits[last]!];
  }
  return { layout: digits.join('') };
}
