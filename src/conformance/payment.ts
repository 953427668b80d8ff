import { AES_DUKPT_CASE, AES_DUKPT_SET } from './payment/aes-dukpt.ts';
import { CMAC, KCV } from './payment/cmac-kcv.ts';
import { COUNTER_RULE } from './payment/counter-rule.ts';
import { ItemChecks, type VectorFormat } from './payment/item.ts';
import { jsonFiles, objectsOf, type VectorObject } from './payment/json.ts';
import { KEY_BLOCK, KEY_BLOCK_HEADER } from './payment/key-blocks.ts';
import { PIN_BLOCK } from './payment/pin-blocks.ts';
import { SECURE_KEY_WRAPPER } from './payment/secure-key-wrapper.ts';
import { TDES_DUKPT_CASE, TDES_DUKPT_SET } from './payment/tdes-dukpt.ts';

/** Formats in the order in which an object is tried; the first that matches checks it. */
const FORMATS: readonly VectorFormat[] = [
  SECURE_KEY_WRAPPER,
  KEY_BLOCK,
  KEY_BLOCK_HEADER,
  PIN_BLOCK,
  COUNTER_RULE,
  TDES_DUKPT_SET,
  TDES_DUKPT_CASE,
  AES_DUKPT_SET,
  AES_DUKPT_CASE,
  CMAC,
  KCV,
];

/** What a run over a folder of vectors showed. */
export interface ConformanceRun {
  readonly passed: number;
  readonly failed: number;
  /** One line for each file and format, and one for each item that failed; no keys. */
  readonly lines: readonly string[];
}

function faultsOf(format: VectorFormat, object: VectorObject): string[] {
  const checks = new ItemChecks();
  try {
    format.check(object, checks);
  } catch (error) {
    return [`threw ${error instanceof Error ? `${error.name}: ${error.message}` : 'something'}`];
  }
  return checks.made === 0 ? ['nothing of it was understood'] : checks.faults;
}

interface Tally {
  passed: number;
  readonly failures: string[];
}

function checkFile(value: unknown): Map<string, Tally> {
  const tallies = new Map<string, Tally>();
  for (const object of objectsOf(value)) {
    const format = FORMATS.find((candidate) => candidate.matches(object));
    if (format === undefined) continue;
    const tally = tallies.get(format.name) ?? { passed: 0, failures: [] };
    tallies.set(format.name, tally);
    const faults = faultsOf(format, object);
    if (faults.length === 0) tally.passed++;
    else tally.failures.push(`${object.path}: ${faults.join('; ')}`);
  }
  return tallies;
}

/**
 * Checks every payment vector under a folder: DUKPT, counter rules, PIN blocks, CMAC and check values, key blocks and
 * their headers, SecureKeyWrapper. Formats are found by what a file holds, not by its name; files of other formats are
 * passed over. An item passes where all that it states is reproduced, both ways where there are two, and where what it
 * calls defective is refused.
 */
export function runPaymentConformance(folder: string): ConformanceRun {
  let passed = 0;
  let failed = 0;
  const lines: string[] = [];
  for (const file of jsonFiles(folder)) {
    for (const [name, tally] of checkFile(file.value)) {
      passed += tally.passed;
      failed += tally.failures.length;
      lines.push(`${file.name}: ${name}: ${tally.passed} passed, ${tally.failures.length} failed`);
      lines.push(...tally.failures.map((failure) => `  failed ${failure}`));
    }
  }
  return { passed, failed, lines };
}
