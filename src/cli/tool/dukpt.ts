import { Command } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { KEY_TYPES, KEY_USAGES } from '../../payment-crypto/aes-dukpt/key-type.ts';
import type { Diagnosis } from '../../payment-crypto/diagnosis/diagnose.ts';
import { diagnoseDukpt } from '../../payment-crypto/diagnosis/dukpt.ts';
import type { DukptDerivation } from '../../payment-crypto/diagnosis/dukpt-derivation.ts';
import { type ExplainedDukpt, explainDukpt, explainKsn } from '../../payment-crypto/explanation/dukpt.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { TDES_WORKING_KEY_USAGES } from '../../payment-crypto/tdes-dukpt/working-key.ts';
import { print, printJson } from '../output.ts';
import { type PinBlockOptions, panOption, seenPinBlock } from './pin-block.ts';
import { argumentText, hexOption, KEY_ARGUMENT, readTestKey } from './test-key.ts';
import { kcvOption, keyRow, leaveBy, oneOf, printDiagnosis, printKeys } from './views.ts';

interface DukptOptions extends PinBlockOptions {
  readonly bdk?: string;
  readonly ik?: string;
  readonly ksn: string;
  readonly usage: string;
  readonly type: string;
  readonly level: string;
  readonly kcv?: string;
  readonly kcvMethod?: string;
  readonly reveal?: boolean;
  readonly json?: boolean;
}

const LEVELS = ['working', 'transaction', 'initial'] as const;
const AES_USAGES = (Object.keys(KEY_USAGES) as (keyof typeof KEY_USAGES)[]).flatMap((usage) =>
  usage === 'keyDerivation' || usage === 'initialKey' ? [] : [usage],
);
const TYPES = Object.keys(KEY_TYPES) as (keyof typeof KEY_TYPES)[];

/** `tapgate tool dukpt`. */
export function dukptCommand(): Command {
  return new Command('dukpt')
    .description(
      'every key between a test BDK or initial key and the working keys of a KSN; diagnoses what does not fit',
    )
    .option('--bdk <key>', `base derivation key: ${KEY_ARGUMENT}`)
    .option('--ik <key>', `initial key: ${KEY_ARGUMENT}`)
    .requiredOption('--ksn <hex>', '12 bytes for AES DUKPT, 10 for TDEA DUKPT')
    .option(
      '--usage <name>',
      `${AES_USAGES.join(', ')}; of TDEA ${TDES_WORKING_KEY_USAGES.join(', ')}`,
      'pinEncryption',
    )
    .option('--type <name>', `type of AES DUKPT's working keys: ${TYPES.join(', ')}`, 'AES128')
    .option('--level <name>', `which key was seen: ${LEVELS.join(', ')}`, 'working')
    .option('--kcv <hex>', 'the check value that the other side shows of it')
    .option('--kcv-method <name>', 'legacy (encryption of zeros) or cmac; by default that of the algorithm')
    .option('--block <text>', 'a PIN block under it')
    .option('--format <number>', 'format of the PIN block, 0 to 4; by default 4 for AES, 0 for TDEA')
    .option('--pan <digits>', 'test PAN of the PIN block')
    .option('--reveal', 'show the keys themselves')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  tapgate tool dukpt --bdk FEDCBA9876543210F1F1F1F1F1F1F1F1 --ksn 123456789012345600000003 --kcv 7B3D77A4AB',
    )
    .action(explain);
}

async function givenKey({ bdk, ik }: DukptOptions, scheme: 'AES' | 'TDES'): Promise<[SecretKey, 'bdk' | 'initialKey']> {
  if (bdk !== undefined && ik === undefined) return [await readTestKey(bdk, scheme, '--bdk'), 'bdk'];
  if (ik !== undefined && bdk === undefined) return [await readTestKey(ik, scheme, '--ik'), 'initialKey'];
  throw new ConfigError('either --bdk or --ik is needed');
}

async function derivationOf(options: DukptOptions): Promise<DukptDerivation> {
  const ksn = hexOption(options.ksn, '--ksn');
  const read = explainKsn(ksn);
  if (read === undefined) throw new ConfigError('--ksn: 12 bytes for AES DUKPT, 10 for TDEA DUKPT');
  const level = oneOf(options.level, LEVELS, '--level');
  if (read.scheme === 'AES') {
    const usage = oneOf(options.usage, AES_USAGES, '--usage');
    const type = oneOf(options.type, TYPES, '--type');
    const [key, given] = await givenKey(options, 'AES');
    return { scheme: 'AES', given, key, ksn, level, usage, type };
  }
  const usage = oneOf(options.usage, TDES_WORKING_KEY_USAGES, '--usage');
  const [key, given] = await givenKey(options, 'TDES');
  return { scheme: 'TDES', given, key, ksn, level, usage };
}

async function diagnosisOf(options: DukptOptions, derivation: DukptDerivation): Promise<Diagnosis | undefined> {
  const kcv = kcvOption(options.kcv, options.kcvMethod);
  const format = options.format ?? (derivation.scheme === 'AES' ? '4' : '0');
  const pan = panOption(options.pan);
  const block = options.block === undefined ? undefined : await argumentText(options.block);
  const pinBlock = block === undefined ? undefined : seenPinBlock(block, format, pan);
  if (kcv === undefined && pinBlock === undefined) return undefined;
  return diagnoseDukpt(derivation, { ...(kcv && { kcv }), ...(pinBlock && { pinBlock }) });
}

async function explain(options: DukptOptions): Promise<void> {
  const { reveal = false, json = false } = options;
  const derivation = await derivationOf(options);
  const type = derivation.scheme === 'AES' ? derivation.type : 'AES128';
  const explained = explainDukpt(derivation, type, reveal);
  if (explained === undefined) throw new ConfigError('TDEA DUKPT takes a two-key TDEA key, AES DUKPT an AES key');
  const diagnosis = await diagnosisOf(options, derivation);
  derivation.key.wipe();
  leaveBy(diagnosis);
  if (json) return printJson({ ...explained, diagnosis });
  printKsn(explained);
  printTree(explained, derivation.given, reveal);
  if (diagnosis !== undefined) {
    print();
    printDiagnosis(diagnosis);
  }
}

function printKsn({ ksn }: ExplainedDukpt): void {
  const { scheme, initialKeyId, bdkId, derivationId, counter, counterBits, usable } = ksn;
  print(`KSN of ${scheme === 'AES' ? 'AES' : 'TDEA'} DUKPT`);
  print(`  ${scheme === 'AES' ? 'initial key ID ' : 'initial serial '} ${initialKeyId}`);
  if (bdkId !== undefined) print(`    BDK ID ${bdkId}, derivation ID ${derivationId ?? ''}`);
  print(`  counter         ${counter} = ${counterBits.replace(/(\d)(?=(\d{4})+$)/g, '$1 ')}`);
  print(`    ${ksn.oneBits} one-bits of at most ${ksn.mostOneBits}: as many derivations from the initial key`);
  if (!usable) print('    No transaction may use this counter: it is zero, or has too many one-bits and is skipped.');
  print();
}

function printTree({ given, initialKey, walk, workingKeys }: ExplainedDukpt, role: string, reveal: boolean): void {
  const steps = walk.map(({ counter, key }, at) =>
    keyRow(`${at === walk.length - 1 ? 'transaction' : 'intermediate'} ${counter}`, key),
  );
  const top = role === 'bdk' ? [keyRow('BDK', given)] : [];
  const working = workingKeys.map(({ usage, key }) => keyRow(usage, key));
  printKeys([...top, keyRow('initial key', initialKey), ...steps, ...working], reveal);
}
