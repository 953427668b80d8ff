import { KEY_BLOCK_ALGORITHMS, KEY_BLOCK_MODES, KEY_BLOCK_USAGES } from '../key-block/attributes.ts';
import { importKeyBlock } from '../key-block/import.ts';
import type { SecretKey } from '../secret-key.ts';
import { type Diagnosis, diagnose, type Hypothesis, type Variant } from './diagnose.ts';
import { keyVariants } from './key-variant.ts';
import { textReadings } from './text.ts';

/** A key block as text, and the KBPK that should open it. */
export interface KeyBlockState {
  readonly text: string;
  readonly kbpk: SecretKey;
}

function opens({ text, kbpk }: KeyBlockState): boolean {
  const imported = importKeyBlock(text, kbpk);
  if (imported.ok) imported.value.key.wipe();
  return imported.ok;
}

const MOST_CHARACTERS = 9999;

/** Fault: the text was changed on its way: white space, lower case, another encoding around it. */
export const wrongBlockText: Hypothesis<KeyBlockState> = ({ text, kbpk }) => {
  const variants: [string, string][] = [
    ['White space stands around or within the block.', text.replace(/\s+/g, '')],
    ['The block is in lower case, and its MAC covers the characters.', text.replace(/\s+/g, '').toUpperCase()],
    ...textReadings(text)
      .map(({ encoding, bytes }): [string, string] => [
        `The block is wrapped in ${encoding}.`,
        bytes.toString('latin1'),
      ])
      .filter(([, inner]) => /^[A-E]\d{4}/.test(inner)),
  ];
  const seen = new Set([text]);
  return variants.flatMap(([says, variant]): Variant<KeyBlockState>[] => {
    if (seen.has(variant) || variant.length > MOST_CHARACTERS) return [];
    seen.add(variant);
    return [{ fault: 'TEXT_ENCODING', says, state: { text: variant, kbpk } }];
  });
};

/** Fault: the version letter of another protection: B is of TDEA, D and E of AES. */
export const wrongVersion: Hypothesis<KeyBlockState> = ({ text, kbpk }) =>
  [...'ABCDE']
    .filter((letter) => letter !== text.slice(0, 1))
    .map((letter) => ({
      fault: 'KEY_BLOCK_VERSION',
      says: `The block was made as version ${letter}; its letter is ${/^[A-Z]/.test(text) ? text.slice(0, 1) : 'none'}.`,
      state: { text: `${letter}${text.slice(1)}`, kbpk },
    }));

/** Fault: the stated length is not that of the block. */
export const wrongStatedLength: Hypothesis<KeyBlockState> = ({ text, kbpk }) => {
  const length = String(text.length).padStart(4, '0');
  return text.slice(1, 5) === length || text.length > MOST_CHARACTERS
    ? []
    : [
        {
          fault: 'KEY_BLOCK_LENGTH',
          says: `The block has ${text.length} characters and states another number; the MAC holds with the right one.`,
          state: { text: `${text.slice(0, 1)}${length}${text.slice(5)}`, kbpk },
        },
      ];
};

/** Fields of the header in which a change is looked for, with the values that are tried. */
const FIELDS: readonly { readonly name: string; readonly at: number; readonly values: readonly string[] }[] = [
  { name: 'key usage', at: 5, values: KEY_BLOCK_USAGES },
  { name: 'algorithm', at: 7, values: [...KEY_BLOCK_ALGORITHMS] },
  { name: 'mode of use', at: 8, values: [...KEY_BLOCK_MODES] },
  { name: 'key version', at: 9, values: Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0')) },
  { name: 'exportability', at: 11, values: [...'ENS'] },
  { name: 'reserved field', at: 14, values: ['00'] },
];

/** Fault: one field of the header was changed after the MAC was made. */
export const changedHeader: Hypothesis<KeyBlockState> = ({ text, kbpk }) =>
  FIELDS.flatMap(({ name, at, values }) =>
    values
      .filter((value) => text.slice(at, at + value.length) !== value)
      .map((value) => ({
        fault: 'KEY_BLOCK_HEADER',
        says: `The header was changed after the MAC was made: its ${name} was ${value}.`,
        state: { text: text.slice(0, at) + value + text.slice(at + value.length), kbpk },
      })),
  );

/** Fault: the KBPK in another form. */
export const otherKbpk: Hypothesis<KeyBlockState> = ({ text, kbpk }) =>
  keyVariants(kbpk, 'KBPK').map(({ fault, says, key }) => ({ fault, says, state: { text, kbpk: key } }));

/** Bits of a version's MAC, for the probability of an accident. */
function chanceOf({ text }: KeyBlockState): number {
  const version = text.slice(0, 1);
  return version === 'D' || version === 'E' ? 2 ** -128 : version === 'B' ? 2 ** -64 : 2 ** -32;
}

/**
 * Names why a KBPK does not open a key block. A MAC is the judge: what opens the block is what the block was made with,
 * but for an accident.
 */
export function diagnoseKeyBlock(text: string, kbpk: SecretKey): Diagnosis {
  return diagnose<KeyBlockState>({
    state: { text: text.slice(0, 2 * MOST_CHARACTERS), kbpk },
    fits: opens,
    hypotheses: [wrongBlockText, wrongVersion, wrongStatedLength, changedHeader, otherKbpk],
    companions: [wrongStatedLength, wrongBlockText],
    chance: chanceOf,
  });
}
