import { Command } from 'commander';
import { diagnoseKcv } from '../../payment-crypto/diagnosis/kcv.ts';
import { shownKey } from '../../payment-crypto/explanation/shown-key.ts';
import { print, printJson } from '../output.ts';
import { KEY_ARGUMENT, readTestKey } from './test-key.ts';
import { kcvOption, keyRow, leaveBy, oneOf, printDiagnosis, printKeys } from './views.ts';

interface KcvOptions {
  readonly key: string;
  readonly algorithm: string;
  readonly kcv?: string;
  readonly kcvMethod?: string;
  readonly json?: boolean;
}

/** `tapgate tool kcv`. */
export function kcvCommand(): Command {
  return new Command('kcv')
    .description('check values of a test key by every method, and why one that was seen does not agree')
    .requiredOption('--key <key>', KEY_ARGUMENT)
    .option('--algorithm <name>', 'AES or TDES', 'AES')
    .option('--kcv <hex>', 'the check value that the other side shows')
    .option('--kcv-method <name>', 'legacy (encryption of zeros) or cmac; by default that of the algorithm')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  tapgate tool kcv --key 0123456789ABCDEFFEDCBA9876543210 --algorithm TDES --kcv 08D7B4',
    )
    .action(checkKcv);
}

async function checkKcv(options: KcvOptions): Promise<void> {
  const algorithm = oneOf(options.algorithm, ['AES', 'TDES'], '--algorithm');
  const seen = kcvOption(options.kcv, options.kcvMethod);
  const key = await readTestKey(options.key, algorithm, '--key');
  const shown = shownKey(key, false);
  const diagnosis = seen === undefined ? undefined : diagnoseKcv(key, seen);
  key.wipe();
  leaveBy(diagnosis);
  if (options.json) return printJson({ key: shown, diagnosis });
  print(
    'KCV (zeros): leftmost bytes of the encryption of zeros, usual for TDEA. KCV (CMAC): of CMAC, usual for AES.\n',
  );
  printKeys([keyRow('key', shown)], false);
  if (diagnosis !== undefined) printDiagnosis(diagnosis);
}
