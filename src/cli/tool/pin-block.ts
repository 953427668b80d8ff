import { Command } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { systemRandom } from '../../app/system.ts';
import { diagnosePinBlock, readSeenPin, type SeenPinBlock } from '../../payment-crypto/diagnosis/pin-block.ts';
import { makeTestPinBlock, pinBlockFields } from '../../payment-crypto/explanation/pin-block.ts';
import { ClearPin } from '../../payment-crypto/pin-block/clear-pin.ts';
import type { PinBlockFormat } from '../../payment-crypto/pin-block/encipherment.ts';
import { Pan } from '../../payment-crypto/pin-block/pan.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { print, printJson } from '../output.ts';
import { argumentText, KEY_ARGUMENT, readTestKey } from './test-key.ts';
import { leaveBy, oneOf, printDiagnosis, printFields } from './views.ts';

/** Options of a PIN block. */
export interface PinBlockOptions {
  readonly block?: string;
  readonly format?: string;
  readonly pan?: string;
}

interface Options extends PinBlockOptions {
  readonly format: string;
  readonly pin?: string;
  readonly key?: string;
  readonly reveal?: boolean;
  readonly json?: boolean;
}

const FORMATS = { '0': 0, '1': 1, '2': 2, '3': 3, '4': 4 } as const satisfies Record<string, PinBlockFormat>;

/** `tapgate tool pinblock`. */
export function pinBlockCommand(): Command {
  return new Command('pinblock')
    .description('makes and reads test PIN blocks of ISO 9564-1, formats 0 to 4; diagnoses what does not fit')
    .requiredOption('--format <number>', '0 to 4')
    .option('--pan <digits>', 'test PAN; formats 0, 3 and 4 need it')
    .option('--pin <digits>', 'test PIN: makes a block, or is expected of the one given')
    .option('--block <text>', 'PIN block to be read: hexadecimal; @file; or - for standard input')
    .option('--key <key>', `PIN key, AES for format 4, else TDEA; a block without one is clear: ${KEY_ARGUMENT}`)
    .option('--reveal', 'show the PIN that was read')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  tapgate tool pinblock --format 0 --pan 4111111111111111 --block 041215FEDCBA9876',
    )
    .action(handle);
}

/** A test PAN. Throws ConfigError, which does not repeat it. */
export function panOption(digits: string | undefined): Pan | undefined {
  if (digits === undefined) return undefined;
  const pan = Pan.parse(Buffer.from(digits, 'utf8'));
  if (!pan.ok) throw new ConfigError('--pan: 1 to 19 digits');
  return pan.value;
}

/** A PIN block that was seen, as its options say. Throws ConfigError. */
export function seenPinBlock(block: string, format: string, pan: Pan | undefined, pin?: ClearPin): SeenPinBlock {
  const name = oneOf(format, ['0', '1', '2', '3', '4'], '--format');
  return { block, format: FORMATS[name], ...(pan && { pan }), ...(pin && { pin }) };
}

function pinOption(digits: string | undefined): ClearPin | undefined {
  if (digits === undefined) return undefined;
  const pin = ClearPin.parse(Buffer.from(digits, 'utf8'));
  if (!pin.ok) throw new ConfigError('--pin: 4 to 12 digits');
  return pin.value;
}

async function handle(options: Options): Promise<void> {
  const pan = panOption(options.pan);
  const pin = pinOption(options.pin);
  const seen = seenPinBlock('', options.format, pan, pin);
  if ([0, 3, 4].includes(seen.format) && pan === undefined)
    throw new ConfigError(`format ${seen.format} binds the PAN: --pan is needed`);
  const algorithm = seen.format === 4 ? 'AES' : 'TDES';
  if (options.block === '-' && options.key === '-') throw new ConfigError('only one of --block and --key may be -');
  const key = options.key === undefined ? undefined : await readTestKey(options.key, algorithm, '--key');
  if (options.block !== undefined) {
    const block = await argumentText(options.block);
    readBlock({ ...seen, block, clear: key === undefined }, key, options);
  } else if (pin !== undefined) makeBlock(seen, pin, key, options);
  else throw new ConfigError('either --pin or --block is needed');
  key?.wipe();
}

function makeBlock(
  { format, pan }: SeenPinBlock,
  pin: ClearPin,
  key: SecretKey | undefined,
  { reveal = false, json = false }: Options,
): void {
  const parts = { pin, ...(pan && { pan }), ...(key && { key }) };
  const made = makeTestPinBlock(format, parts, systemRandom);
  if (!made.ok) throw new ConfigError(`The block was not made: ${made.reason}${made.detail ? `, ${made.detail}` : ''}`);
  const fields = pinBlockFields(format, pan, pin, reveal);
  if (json) {
    printJson({ ...made.value, fields });
    return;
  }
  printFields(fields, '');
  print(`${made.value.enciphered ? 'enciphered' : 'clear'} block  ${made.value.block}`);
}

function readBlock(seen: SeenPinBlock, key: SecretKey | undefined, { reveal = false, json = false }: Options): void {
  const pin = readSeenPin(key, seen);
  const diagnosis = diagnosePinBlock(key, seen);
  const fields = pinBlockFields(seen.format, seen.pan, pin, reveal);
  pin?.wipe();
  leaveBy(diagnosis);
  if (json) {
    printJson({ fields, diagnosis });
    return;
  }
  printFields(fields, '');
  printDiagnosis(diagnosis);
}
