/** Attributes of a wrapped key, as the 16-character header carries them (X9.143:2021 6.3). */
export interface KeyBlockAttributes {
  /** Key usage, two characters: `B0` BDK, `B1` initial key, `P0` PIN encryption, `K1` KBPK, ... */
  readonly usage: string;
  /** `A` AES, `T` TDEA, `D` DEA, `H` HMAC, `R` RSA, `E` elliptic curve, `S` DSA. */
  readonly algorithm: string;
  /** `B` both, `E` encrypt, `D` decrypt, `C` MAC both, `G` generate, `V` verify, `S` sign, `X` derive, `N`, `T`, `Y`. */
  readonly modeOfUse: string;
  /** Key version: `00` for none, `c` and a character for a component, else two alphanumeric characters. */
  readonly keyVersion: string;
  /** `E` exportable under a trusted key, `N` not exportable, `S` sensitive. */
  readonly exportability: string;
}

interface UsageRule {
  readonly algorithms: string;
  readonly modes: string;
}

const CIPHER: UsageRule = { algorithms: 'ADT', modes: 'BDEN' };
const MAC: UsageRule = { algorithms: 'ADT', modes: 'CGVN' };
const DERIVE: UsageRule = { algorithms: 'ADT', modes: 'XN' };
const SIGN: UsageRule = { algorithms: 'ERS', modes: 'STVN' };

/** Key usages of X9.143:2021 table 2 with the algorithms and modes of use that go with them. */
const USAGES: Readonly<Record<string, UsageRule>> = {
  B0: DERIVE,
  B1: DERIVE,
  B2: { algorithms: 'ADT', modes: 'XYN' },
  B3: { algorithms: 'AHT', modes: 'XN' },
  C0: MAC,
  D0: CIPHER,
  D1: { algorithms: 'ER', modes: 'BDEN' },
  D2: CIPHER,
  D3: CIPHER,
  E0: DERIVE,
  E1: DERIVE,
  E2: DERIVE,
  E3: DERIVE,
  E4: { algorithms: 'ADT', modes: 'XN' },
  E5: { algorithms: 'ADT', modes: 'BCDEGNVX' },
  E6: { algorithms: 'ADT', modes: 'BCDEGNVX' },
  E7: { algorithms: 'ER', modes: 'BDEN' },
  I0: { algorithms: 'ADT', modes: 'N' },
  K0: CIPHER,
  K1: CIPHER,
  K2: { algorithms: 'R', modes: 'BDEN' },
  K3: { algorithms: 'ER', modes: 'BDENX' },
  K4: CIPHER,
  M0: { algorithms: 'T', modes: 'CGVN' },
  M1: MAC,
  M2: MAC,
  M3: MAC,
  M4: MAC,
  M5: MAC,
  M6: MAC,
  M7: { algorithms: 'H', modes: 'CGVN' },
  M8: MAC,
  P0: CIPHER,
  P1: { algorithms: 'AT', modes: 'BCDEGNVX' },
  S0: SIGN,
  S1: SIGN,
  S2: { algorithms: 'ERS', modes: 'BDENSTVX' },
  V0: MAC,
  V1: MAC,
  V2: MAC,
  V3: MAC,
  V4: MAC,
  V5: MAC,
};

/** Key usages that X9.143:2021 defines, their algorithms and their modes of use. */
export const KEY_BLOCK_USAGES: readonly string[] = Object.keys(USAGES);
export const KEY_BLOCK_ALGORITHMS = 'ADEHRST';
export const KEY_BLOCK_MODES = 'BCDEGNSTVXY';

/** What about a header departs from X9.143 without making the block unreadable. */
export type AttributeDeviation =
  | 'UNKNOWN_KEY_USAGE'
  | 'UNKNOWN_ALGORITHM'
  | 'UNKNOWN_MODE_OF_USE'
  | 'UNKNOWN_EXPORTABILITY'
  | 'ALGORITHM_NOT_OF_USAGE'
  | 'MODE_NOT_OF_USAGE';

/** True where every attribute has its length and is alphanumeric; says nothing about its meaning. */
export function attributesWellFormed(attributes: KeyBlockAttributes): boolean {
  return (
    /^[0-9A-Z]{2}$/.test(attributes.usage) &&
    /^[0-9A-Z]$/.test(attributes.algorithm) &&
    /^[0-9A-Z]$/.test(attributes.modeOfUse) &&
    /^(?:[0-9A-Za-z]{2})$/.test(attributes.keyVersion) &&
    /^[0-9A-Z]$/.test(attributes.exportability)
  );
}

/** Lists what departs from the tables of X9.143:2021 6.3.1 to 6.3.5; empty for a header that may be exported. */
export function attributeDeviations(attributes: KeyBlockAttributes): AttributeDeviation[] {
  const deviations: AttributeDeviation[] = [];
  const rule = Object.hasOwn(USAGES, attributes.usage) ? USAGES[attributes.usage] : undefined;
  const algorithmKnown = KEY_BLOCK_ALGORITHMS.includes(attributes.algorithm);
  const modeKnown = KEY_BLOCK_MODES.includes(attributes.modeOfUse);
  if (rule === undefined) deviations.push('UNKNOWN_KEY_USAGE');
  if (!algorithmKnown) deviations.push('UNKNOWN_ALGORITHM');
  else if (rule !== undefined && !rule.algorithms.includes(attributes.algorithm))
    deviations.push('ALGORITHM_NOT_OF_USAGE');
  if (!modeKnown) deviations.push('UNKNOWN_MODE_OF_USE');
  else if (rule !== undefined && !rule.modes.includes(attributes.modeOfUse)) deviations.push('MODE_NOT_OF_USAGE');
  if (!'ENS'.includes(attributes.exportability)) deviations.push('UNKNOWN_EXPORTABILITY');
  return deviations;
}
