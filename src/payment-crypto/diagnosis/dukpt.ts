import type { DerivedKeyType } from '../aes-dukpt/key-type.ts';
import { KEY_TYPES, KEY_USAGES, type WorkingKeyUsage } from '../aes-dukpt/key-type.ts';
import { initialSerialNumber } from '../ksn.ts';
import { TDES_WORKING_KEY_USAGES } from '../tdes-dukpt/working-key.ts';
import { type Diagnosis, diagnose, type Hypothesis, type Variant } from './diagnose.ts';
import { type DukptDerivation, type DukptLevel, derivedKey } from './dukpt-derivation.ts';
import { kcvChance, kcvFits, otherMethod, type SeenKcv } from './kcv.ts';
import { keyVariants } from './key-variant.ts';
import { PIN_BLOCK_HYPOTHESES, pinBlockChance, pinBlockFits, type SeenPinBlock, wrongPanDigits } from './pin-block.ts';

/** What was seen of a key that DUKPT derives: its check value, a PIN block under it, or both. */
export interface DukptSeen {
  readonly kcv?: SeenKcv;
  readonly pinBlock?: SeenPinBlock;
}

/** A derivation, and what was seen of its key. */
export interface DukptState {
  readonly derivation: DukptDerivation;
  readonly seen: DukptSeen;
}

function fits({ derivation, seen }: DukptState): boolean {
  const { kcv, pinBlock } = seen;
  if (kcv === undefined && pinBlock === undefined) return false;
  const key = derivedKey(derivation);
  if (key === undefined) return false;
  const both = (kcv === undefined || kcvFits(key, kcv)) && (pinBlock === undefined || pinBlockFits(key, pinBlock));
  key.wipe();
  return both;
}

/** Check value and PIN block are independent of each other: a wrong key has to meet both. */
function chance({ seen: { kcv, pinBlock } }: DukptState): number {
  return (kcv === undefined ? 1 : kcvChance(kcv)) * (pinBlock === undefined ? 1 : pinBlockChance(pinBlock));
}

const LEVELS: readonly (readonly [DukptLevel, Variant<DukptState>['fault'], string])[] = [
  ['working', 'INTERMEDIATE_KEY', 'It is a working key.'],
  ['transaction', 'INTERMEDIATE_KEY', 'It is the intermediate (transaction) key, not a working key derived from it.'],
  ['initial', 'INITIAL_KEY', 'It is the initial key, not a key of the transaction.'],
  ['given', 'GIVEN_KEY', 'It is the given key itself: nothing was derived from it.'],
];

/** Fault: another key of the tree. */
export const wrongLevel: Hypothesis<DukptState> = ({ derivation, seen }) =>
  LEVELS.filter(([level]) => level !== derivation.level)
    .filter(([level]) => level !== 'given' || derivation.given === 'bdk')
    .map(([level, fault, says]) => ({ fault, says, state: { derivation: { ...derivation, level }, seen } }));

/** Fault: an initial key taken for a BDK, or the reverse. */
export const wrongRole: Hypothesis<DukptState> = ({ derivation, seen }) =>
  derivation.given === 'bdk'
    ? [
        {
          fault: 'INITIAL_KEY_AS_BDK',
          says: 'The key given as BDK is an initial key already.',
          state: { derivation: { ...derivation, given: 'initialKey' }, seen },
        },
      ]
    : [
        {
          fault: 'BDK_AS_INITIAL_KEY',
          says: 'The key given as initial key is a BDK.',
          state: { derivation: { ...derivation, given: 'bdk' }, seen },
        },
      ];

const AES_USAGES = (Object.keys(KEY_USAGES) as (keyof typeof KEY_USAGES)[]).filter(
  (usage): usage is WorkingKeyUsage => usage !== 'keyDerivation' && usage !== 'initialKey',
);

/** Fault: a working key of another usage. */
export const wrongUsage: Hypothesis<DukptState> = ({ derivation, seen }) => {
  if (derivation.level !== 'working') return [];
  const variants: DukptDerivation[] =
    derivation.scheme === 'AES'
      ? AES_USAGES.map((usage) => ({ ...derivation, usage }))
      : TDES_WORKING_KEY_USAGES.map((usage) => ({ ...derivation, usage }));
  return variants
    .filter(({ usage }) => usage !== derivation.usage)
    .map((variant) => ({
      fault: 'USAGE',
      says: `It is the working key of usage ${variant.usage}, not ${derivation.usage}.`,
      state: { derivation: variant, seen },
    }));
};

/** Fault: a working key of another algorithm or length; AES DUKPT only. */
export const wrongType: Hypothesis<DukptState> = ({ derivation, seen }) =>
  derivation.scheme !== 'AES' || derivation.level !== 'working'
    ? []
    : (Object.keys(KEY_TYPES) as DerivedKeyType[])
        .filter((type) => type !== derivation.type)
        .map((type) => ({
          fault: 'KEY_TYPE',
          says: `It is a working key of type ${type}, not ${derivation.type}.`,
          state: { derivation: { ...derivation, type }, seen },
        }));

/** How far a counter may be off. */
const NEAR = 16;
const TDES_COUNTER_MASK = 0x1f_ffff;

function withCounter(derivation: DukptDerivation, change: (counter: number) => number): DukptDerivation | undefined {
  const ksn = Buffer.from(derivation.ksn);
  if (derivation.scheme === 'AES') {
    if (ksn.length !== 12) return undefined;
    const counter = change(ksn.readUInt32BE(8));
    if (counter < 0 || counter > 0xffff_ffff) return undefined;
    ksn.writeUInt32BE(counter, 8);
  } else {
    if (ksn.length !== 10) return undefined;
    const counter = change(ksn.readUInt32BE(6) & TDES_COUNTER_MASK);
    if (counter < 0 || counter > TDES_COUNTER_MASK) return undefined;
    const initial = initialSerialNumber(ksn);
    initial.writeUInt32BE((initial.readUInt32BE(6) | counter) >>> 0, 6);
    return { ...derivation, ksn: initial };
  }
  return { ...derivation, ksn };
}

/** Fault: the counter of the KSN is off by one, or by a few. */
export const wrongCounter: Hypothesis<DukptState> = ({ derivation, seen }) => {
  if (derivation.level === 'given' || derivation.level === 'initial') return [];
  const variants: Variant<DukptState>[] = [];
  for (let distance = 1; distance <= NEAR; distance++) {
    for (const by of [distance, -distance]) {
      const variant = withCounter(derivation, (counter) => counter + by);
      if (variant === undefined) continue;
      const says = `The key is of a counter ${distance} ${by > 0 ? 'above' : 'below'} that of the KSN.`;
      variants.push({ fault: 'KSN_COUNTER', says, state: { derivation: variant, seen } });
    }
  }
  return variants;
};

function reversedCounter(counter: number): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(counter);
  return bytes.readUInt32LE(0);
}

/** Fault: the KSN, or its counter, in the other byte order. */
export const wrongKsnOrder: Hypothesis<DukptState> = ({ derivation, seen }) => {
  const whole: DukptDerivation = { ...derivation, ksn: Buffer.from(derivation.ksn).reverse() };
  const counter = derivation.scheme === 'AES' ? withCounter(derivation, reversedCounter) : undefined;
  const variants: Variant<DukptState>[] = [
    { fault: 'KSN_BYTE_ORDER', says: 'The KSN is in the other byte order.', state: { derivation: whole, seen } },
  ];
  if (counter !== undefined) {
    const says = 'The counter of the KSN is in the other byte order.';
    variants.push({ fault: 'KSN_BYTE_ORDER', says, state: { derivation: counter, seen } });
  }
  return variants;
};

/** Fault: the given key in another form. */
export const otherGivenKey: Hypothesis<DukptState> = ({ derivation, seen }) =>
  keyVariants(derivation.key, derivation.given === 'bdk' ? 'BDK' : 'initial key').map(({ fault, says, key }) => ({
    fault,
    says,
    state: { derivation: { ...derivation, key }, seen },
  }));

/** Fault: the check value is made by the other method. */
export const wrongMethod: Hypothesis<DukptState> = ({ derivation, seen }) => {
  const key = seen.kcv === undefined ? undefined : derivedKey(derivation);
  if (seen.kcv === undefined || key === undefined || key.algorithm === 'HMAC') return [];
  const { fault, says, seen: kcv } = otherMethod(key, seen.kcv);
  key.wipe();
  return [{ fault, says, state: { derivation, seen: { ...seen, kcv } } }];
};

const ofPinBlock =
  (hypothesis: Hypothesis<SeenPinBlock>): Hypothesis<DukptState> =>
  ({ derivation, seen }) =>
    seen.pinBlock === undefined
      ? []
      : hypothesis(seen.pinBlock).map((variant) => ({
          ...variant,
          state: { derivation, seen: { ...seen, pinBlock: variant.state } },
        }));

/**
 * Names why a key, a KSN, a check value and a PIN block do not go together. What was seen is held against every key that
 * a usual confusion would have led to, one confusion at a time, and then with a second one of check value method or PAN
 * digits.
 */
export function diagnoseDukpt(derivation: DukptDerivation, seen: DukptSeen): Diagnosis {
  return diagnose<DukptState>({
    state: { derivation, seen },
    fits,
    hypotheses: [
      wrongMethod,
      wrongLevel,
      wrongRole,
      wrongUsage,
      wrongType,
      wrongCounter,
      wrongKsnOrder,
      otherGivenKey,
      ...PIN_BLOCK_HYPOTHESES.map(ofPinBlock),
    ],
    companions: [wrongMethod, ofPinBlock(wrongPanDigits)],
    chance,
  });
}
