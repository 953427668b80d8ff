import { Command } from 'commander';
import { ConfigError } from '../../app/config.ts';
import type { Diagnosis } from '../../payment-crypto/diagnosis/diagnose.ts';
import { diagnoseKeyBlock } from '../../payment-crypto/diagnosis/key-block.ts';
import { type ExplainedKeyBlock, explainKeyBlock } from '../../payment-crypto/explanation/key-block.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { EXIT } from '../exit.ts';
import { print, printJson } from '../output.ts';
import { argumentText, KEY_ARGUMENT, readTestKey } from './test-key.ts';
import { keyRow, leaveBy, oneOf, printDiagnosis, printFields, printKeys } from './views.ts';

interface KeyBlockOptions {
  readonly kbpk?: string;
  readonly algorithm?: string;
  readonly reveal?: boolean;
  readonly json?: boolean;
}

/** `tapgate tool keyblock`. */
export function keyBlockCommand(): Command {
  return (
    new Command('keyblock')
      .description(
        'explains a key block of X9.143 field by field, opens it with a test KBPK, diagnoses what does not fit',
      )
      .argument('<block>', 'the key block; @file; or - for standard input')
      .option('--kbpk <key>', `key block protection key: ${KEY_ARGUMENT}`)
      .option('--algorithm <name>', 'of the KBPK, AES or TDES; by default that of the version')
      .option('--reveal', 'show the wrapped key')
      .option('--json', 'one JSON object')
      // The example of X9 TR-31:2018, A.7.4.
      .addHelpText(
        'after',
        [
          '',
          'Example:',
          '  tapgate tool keyblock \\',
          '    D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34 \\',
          '    --kbpk 88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6',
        ].join('\n'),
      )
      .action(handle)
  );
}

async function kbpkOf(text: string, { kbpk, algorithm }: KeyBlockOptions): Promise<SecretKey | undefined> {
  if (kbpk === undefined) return undefined;
  const ofVersion = /^\s*[ABC]\d{4}/.test(text) ? 'TDES' : 'AES';
  return readTestKey(kbpk, oneOf(algorithm ?? ofVersion, ['AES', 'TDES'], '--algorithm'), '--kbpk');
}

async function handle(argument: string, options: KeyBlockOptions): Promise<void> {
  if (argument === '-' && options.kbpk === '-') throw new ConfigError('only one of the block and --kbpk may be -');
  const { reveal = false, json = false } = options;
  const text = await argumentText(argument);
  const kbpk = await kbpkOf(text, options);
  const explained = explainKeyBlock(text, kbpk, reveal);
  const diagnosis = kbpk === undefined ? undefined : diagnoseKeyBlock(text, kbpk);
  kbpk?.wipe();
  leaveBy(diagnosis);
  if (!explained.ok) process.exitCode = EXIT.refused;
  if (json) {
    printJson({
      ...(explained.ok ? explained.value : { refused: explained.reason, detail: explained.detail }),
      diagnosis,
    });
  } else {
    if (explained.ok) printBlock(explained.value, diagnosis, reveal);
    else print(`No header of a key block: ${explained.reason}${explained.detail ? `, ${explained.detail}` : ''}`);
    if (diagnosis !== undefined) printDiagnosis(diagnosis);
  }
}

function printBlock(block: ExplainedKeyBlock, diagnosis: Diagnosis | undefined, reveal: boolean): void {
  const { header, optional, deviations, payloadCharacters, opened } = block;
  printFields(header, '');
  if (optional.length > 0) printFields(optional, '');
  print(`payload and MAC: ${payloadCharacters} characters`);
  for (const deviation of opened?.tolerated ?? deviations) print(`departs from X9.143: ${deviation}`);
  if (opened === undefined) print('The MAC was not checked: no KBPK was given.');
  else if (opened.refused !== undefined) print(`Not opened: ${opened.refused}`);
  else {
    print('The MAC holds.');
    if (opened.key !== undefined) printKeys([keyRow('wrapped key', opened.key)], reveal);
    else print(`wrapped: an asymmetric key of ${opened.keyBytes ?? 0} bytes`);
  }
  if (diagnosis !== undefined) print();
}
