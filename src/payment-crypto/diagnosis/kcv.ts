import { cmac } from '../cmac.ts';
import { KCV_BYTES, type KcvMethod, kcvMethodOf, keyCheckValue } from '../kcv.ts';
import type { SecretKey } from '../secret-key.ts';
import { singleDes } from '../single-des.ts';
import { type Diagnosis, diagnose, type Hypothesis } from './diagnose.ts';
import { keyVariants } from './key-variant.ts';

/** A key check value that was seen, and the method by which it is held to be made. */
export interface SeenKcv {
  readonly value: Uint8Array;
  /** The method of the key's algorithm where absent. */
  readonly method?: KcvMethod;
}

/** Bytes of a check value that make it worth a comparison, and of the longest that anybody shows. */
export const SEEN_KCV_BYTES = { least: 2, most: 8 } as const;

/** Sentences for the two methods. */
const MADE_BY: Readonly<Record<KcvMethod, string>> = {
  legacy: 'The check value is the encryption of zeros, not CMAC.',
  cmac: 'The check value is CMAC over a block of zeros, not their encryption.',
};

/** True where a key's check value begins as the one that was seen; a key that has none fits nothing. */
export function kcvFits(key: SecretKey, { value, method }: SeenKcv): boolean {
  if (key.algorithm === 'HMAC' || value.length < SEEN_KCV_BYTES.least || value.length > SEEN_KCV_BYTES.most)
    return false;
  const zeros = new Uint8Array(key.blockBytes);
  const block = (method ?? kcvMethodOf(key)) === 'cmac' ? cmac(key, zeros) : key.encipher(zeros);
  const fits = block.subarray(0, value.length).equals(value);
  block.fill(0);
  return fits;
}

/** The other method than the one that a check value is held to be made by. */
export function otherMethod(
  key: SecretKey,
  seen: SeenKcv,
): { readonly fault: 'KCV_METHOD'; readonly says: string; readonly seen: SeenKcv } {
  const method = (seen.method ?? kcvMethodOf(key)) === 'cmac' ? 'legacy' : 'cmac';
  return { fault: 'KCV_METHOD', says: MADE_BY[method], seen: { ...seen, method } };
}

/** Probability that a wrong key has this check value. */
export function kcvChance({ value }: SeenKcv): number {
  return 2 ** (-8 * value.length);
}

/** Both check values of a key, as many bytes as may be shown, by method. */
export function checkValues(key: SecretKey): Readonly<Record<KcvMethod, Buffer>> {
  return {
    legacy: keyCheckValue(key, 'legacy', KCV_BYTES.legacy),
    cmac: keyCheckValue(key, 'cmac', KCV_BYTES.cmac),
  };
}

interface KcvState {
  readonly key: SecretKey;
  readonly seen: SeenKcv;
}

/** Fault: the check value is made by the other method. */
export const wrongKcvMethod: Hypothesis<KcvState> = ({ key, seen }) => {
  if (key.algorithm === 'HMAC') return [];
  const { fault, says, seen: other } = otherMethod(key, seen);
  return [{ fault, says, state: { key, seen: other } }];
};

/** Faults of the key: halves, byte order, parity, length, algorithm. */
export const otherKey: Hypothesis<KcvState> = ({ key, seen }) =>
  keyVariants(key, 'key').map(({ fault, says, key: variant }) => ({ fault, says, state: { key: variant, seen } }));

/** Fault: the check value is of one half of a key of two or more. */
export const halfOfKey: Hypothesis<KcvState> = ({ key, seen }) =>
  key.algorithm !== 'TDES'
    ? []
    : (['left', 'right'] as const).map((side) => ({
        fault: 'KEY_LENGTH',
        says: `The check value is of the ${side} half of the key alone.`,
        state: { key: halfKey(key, side), seen },
      }));

function halfKey(key: SecretKey, side: 'left' | 'right'): SecretKey {
  return key.use((bytes) => singleDes(bytes.subarray(side === 'left' ? 0 : 8, side === 'left' ? 8 : 16)));
}

/** Names why a key and a check value do not go together. */
export function diagnoseKcv(key: SecretKey, seen: SeenKcv): Diagnosis {
  return diagnose<KcvState>({
    state: { key, seen },
    fits: (state) => kcvFits(state.key, state.seen),
    hypotheses: [wrongKcvMethod, otherKey, halfOfKey],
    companions: [wrongKcvMethod],
    chance: (state) => kcvChance(state.seen),
  });
}
