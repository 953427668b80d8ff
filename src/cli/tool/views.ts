import { ConfigError } from '../../app/config.ts';
import type { Diagnosis } from '../../payment-crypto/diagnosis/diagnose.ts';
import { SEEN_KCV_BYTES, type SeenKcv } from '../../payment-crypto/diagnosis/kcv.ts';
import type { ExplainedField } from '../../payment-crypto/explanation/key-block.ts';
import type { ShownKey } from '../../payment-crypto/explanation/shown-key.ts';
import { EXIT } from '../exit.ts';
import { print, printTable } from '../output.ts';
import { hexOption } from './test-key.ts';

/** More accidental fits than this, and a finding is a hint only. */
const HINT = 0.0001;

const OUTCOMES: Readonly<Record<Diagnosis['outcome'], string>> = {
  fits: 'It fits: nothing is wrong.',
  one: 'It does not fit as given. One explanation was found:',
  several: 'It does not fit as given. Several explanations fit equally well, and nothing here tells them apart:',
  none: 'It does not fit, and no confusion that this tool knows explains it.',
};

/** Prints a diagnosis, and sets the exit code where something does not fit. */
export function printDiagnosis(diagnosis: Diagnosis): void {
  print(OUTCOMES[diagnosis.outcome]);
  for (const { faults, says, accidental } of diagnosis.findings) {
    print(`  ${faults.join(' + ')}: ${says}`);
    if (accidental <= HINT) continue;
    const expected = accidental.toPrecision(2);
    print(
      `    A hint only: of ${diagnosis.trials} ways that were tried, ${expected} would fit by chance. Compare more bytes.`,
    );
  }
}

/** Exit code 1 where what was given does not fit. */
export function leaveBy(diagnosis: Diagnosis | undefined): void {
  if (diagnosis !== undefined && diagnosis.outcome !== 'fits') process.exitCode = EXIT.refused;
}

/** A row of a key: what it is, its check values, and the key where it is revealed. */
export function keyRow(name: string, { algorithm, bits, legacyKcv = '-', cmacKcv = '-', key }: ShownKey): string[] {
  return [name, `${algorithm}-${bits}`, legacyKcv, cmacKcv, ...(key === undefined ? [] : [key])];
}

/** Prints rows of keys. */
export function printKeys(rows: readonly (readonly string[])[], reveal: boolean): void {
  const head = ['key', 'type', 'KCV (zeros)', 'KCV (CMAC)', ...(reveal ? ['key, hexadecimal'] : [])];
  printTable(head, rows, 'No keys.');
}

/** Prints fields with what they mean. */
export function printFields(fields: readonly ExplainedField[], empty: string): void {
  printTable(
    ['field', 'value', 'meaning'],
    fields.map(({ field, value, meaning }) => [field, value, meaning]),
    empty,
  );
}

/** A check value out of options; undefined where none was given. Throws ConfigError. */
export function kcvOption(value: string | undefined, method: string | undefined): SeenKcv | undefined {
  if (value === undefined) return undefined;
  const bytes = hexOption(value, '--kcv');
  const { least, most } = SEEN_KCV_BYTES;
  if (bytes.length < least || bytes.length > most) throw new ConfigError(`--kcv: ${least} to ${most} bytes`);
  return { value: bytes, ...(method !== undefined && { method: oneOf(method, ['legacy', 'cmac'], '--kcv-method') }) };
}

/** One of a few words. Throws ConfigError for any other. */
export function oneOf<const T extends string>(text: string, words: readonly T[], name: string): T {
  const found = words.find((word) => word === text);
  if (found === undefined) throw new ConfigError(`${name}: one of ${words.join(', ')}`);
  return found;
}
