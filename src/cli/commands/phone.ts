import { Command, InvalidArgumentError, Option } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { systemClock, systemRandom } from '../../app/system.ts';
import { encodePem } from '../../encoding/pem.ts';
import { CheckStatus } from '../../gen/tapgate/v1/refusal.ts';
import type { TransportName } from '../../injection/policy.ts';
import { type CardScheme, TEST_ACCOUNTS } from '../../virtual/card/account.ts';
import { createStrayCard } from '../../virtual/card/card.ts';
import { PHONE_KINDS } from '../../virtual/kinds/kinds.ts';
import type { PhoneBehaviour } from '../../virtual/phone/behaviour.ts';
import type { InjectedKeys } from '../../virtual/phone/inject.ts';
import type { VirtualPhone } from '../../virtual/phone/phone.ts';
import type { PinTampering } from '../../virtual/phone/pin.ts';
import { TRANSPORTS } from '../../virtual/phone/transport-keys.ts';
import { dataOption } from '../admin.ts';
import { print, printJson, printTable, when } from '../output.ts';
import { generateVirtualKey, KEY_ALGORITHMS, type KeyOptions } from '../virtual-keystore.ts';
import { inviteFor, makeVirtualPhone, type PhoneOptions, phoneProfile, withPhoneOptions } from '../virtual-phone.ts';
import { type FleetOptions, runFleet } from './phone-fleet.ts';
import { phoneTapCommand } from './phone-tap.ts';

interface RunOptions extends PhoneOptions {
  readonly amount: string;
  readonly currency: string;
  readonly card: CardScheme;
  readonly transport?: TransportName;
}

type Tell = (step: string, facts: Readonly<Record<string, unknown>>) => void;

/** `tapgate phone`. */
export function phoneCommand(): Command {
  const attest = withPhoneOptions(new Command('attest'))
    .description('enrols one virtual phone and shows every check that a phone may know')
    .addHelpText('after', '\nExample:\n  tapgate phone attest --profile unlocked')
    .action((options: PhoneOptions) => withPhone(options, (phone) => attestOnly(phone, options)));
  const run = withPhoneOptions(new Command('run'))
    .description(
      'runs one virtual phone through the path: attest, inject, session, grant, tap, PIN, signed intent; or keeps many going',
    )
    .option('--amount <minor>', 'amount in minor units', '1250')
    .option('--currency <number>', 'ISO 4217 numeric', '978')
    .addOption(
      new Option('--card <scheme>', 'which test card is tapped').choices(Object.keys(TEST_ACCOUNTS)).default('visa'),
    )
    .addOption(
      new Option(
        '--transport <name>',
        'how keys are sent to the phone; by default the first that policy allows',
      ).choices(TRANSPORTS),
    )
    .option(
      '--count <number>',
      'keeps so many phones going until Ctrl-C, and shows how they fare',
      wholeNumber(1, 100_000),
    )
    .option('--pause <seconds>', 'with --count: between two payments of a phone', wholeNumber(1, 86_400), 10)
    .option('--rate <number>', 'with --count: phones that begin in a second', wholeNumber(1, 1000), 20)
    .option(
      '--connections <number>',
      'with --count: connections that they share, at the most',
      wholeNumber(1, 5000),
      100,
    )
    .option('--seconds <number>', 'with --count: ends by itself', wholeNumber(1, 864_000))
    .addHelpText(
      'after',
      '\nExamples:\n  tapgate phone run --amount 9900 --transport rsa\n  tapgate phone run --count 50 --profile clean,overlay,silent',
    )
    .action((options: RunOptions & Partial<FleetOptions>) =>
      options.count === undefined
        ? withPhone(options, (phone) => runPath(phone, options))
        : runFleet({ ...options, count: options.count } as FleetOptions),
    );
  const key = new Command('key')
    .description(
      'makes an attested key of a virtual phone and shows its private key: to try a client of any language, nothing else',
    )
    .addOption(dataOption())
    .requiredOption('--challenge <hex>', 'attestation challenge, 1 to 128 bytes')
    .addOption(
      new Option('--purpose <name>', 'what the key may do').choices(Object.keys(KEY_ALGORITHMS)).default('sign'),
    )
    .option('--bits <number>', 'size of an RSA key (decrypt, wrap)', '3072')
    .addOption(new Option('--profile <name>', 'what kind of phone (default: "tee")').choices(PHONE_KINDS))
    .option('--phone <file>', 'one phone for several keys: made where the file is missing')
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  tapgate phone key --challenge 00ff --phone phone.json --json')
    .action((options: KeyOptions & { json?: boolean }) => showKey(options));
  const phone = new Command('phone').description('virtual phones on the real protocol');
  return phone.addCommand(attest).addCommand(run).addCommand(key).addCommand(phoneTapCommand());
}

async function showKey(options: KeyOptions & { readonly json?: boolean }): Promise<void> {
  const { privateKey, publicKey, chain } = await generateVirtualKey(options, systemClock);
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const base64 = chain.map((certificate) => certificate.toString('base64'));
  if (options.json) return printJson({ privateKey: pem, publicKey: publicKey.toString('base64'), chain: base64 });
  print('For trying only: a real phone never shows its private keys.');
  print(pem);
  for (const certificate of chain) print(encodePem('CERTIFICATE', certificate));
}

async function withPhone(options: PhoneOptions, work: (phone: VirtualPhone) => Promise<void>): Promise<void> {
  const phone = await makeVirtualPhone(options);
  try {
    await work(phone);
  } finally {
    phone.close();
  }
}

const STATUS = new Map<CheckStatus, string>([
  [CheckStatus.PASS, 'pass'],
  [CheckStatus.FAIL, 'fail'],
  [CheckStatus.SKIPPED, 'skipped'],
  [CheckStatus.TOLERATED, 'tolerated'],
]);

async function attestOnly(phone: VirtualPhone, options: PhoneOptions): Promise<void> {
  const { deviceId, expiresAt, refreshAfter, checks } = await phone.attest(await inviteFor(options));
  const rows = checks.map(({ code, status }) => ({ code, status: STATUS.get(status) ?? '?' }));
  if (options.json)
    return printJson({ device: deviceId, profile: options.profile, expiresAt, refreshAfter, checks: rows });
  print(`Device ${deviceId}: token until ${when(expiresAt)}, attest again after ${when(refreshAfter)}`);
  print();
  printTable(
    ['check', 'status'],
    rows.map(({ code, status }) => [code, status]),
    'No checks were told.',
  );
}

async function inject(phone: VirtualPhone, { transport, profile }: RunOptions): Promise<InjectedKeys> {
  try {
    return await phone.injectKeys(transport === undefined ? {} : { transports: [transport] });
  } catch (error) {
    if (error instanceof RangeError) throw new ConfigError(`A phone of kind ${profile}: ${error.message}`);
    throw error;
  }
}

/** A whole number in a range, as an option is given. */
function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`A whole number from ${least} to ${most}.`);
  };
}

/** The phone as its profile has it while the pad shows. */
function atPad(phone: VirtualPhone, { posture, pinPosture }: PhoneBehaviour): PinTampering {
  return {
    whilePadShows: (pad) => {
      phone.memory.posture = new Set([...posture, ...pinPosture]);
      return pad.report();
    },
  };
}

async function runPath(phone: VirtualPhone, options: RunOptions): Promise<void> {
  const { behaviour } = phoneProfile(options.profile);
  phone.memory.posture = new Set(behaviour.posture);
  const tell: Tell = (step, facts) => {
    if (options.json) return printJson({ step, ...facts });
    const told = Object.entries(facts).map(([name, value]) => `${name} ${value}`);
    print(`${step.padEnd(10)} ${told.join('  ')}`);
  };
  const attested = await phone.attest(await inviteFor(options));
  tell('attested', { device: attested.deviceId, until: when(attested.expiresAt), checks: attested.checks.length });
  const { keySetId, opened, maximumTransactions } = await inject(phone, options);
  const [pin, accountData] = opened?.checkValues ?? [];
  tell('keys', {
    set: keySetId,
    transport: opened?.transport,
    'check-values': `${pin} ${accountData}`,
    transactions: maximumTransactions,
  });
  const transaction = await phone.begin({
    type: 'sale',
    amountMinor: BigInt(options.amount),
    currency: Number(options.currency),
    merchant: options.merchant,
    order: `phone-run-${systemRandom.bytes(6).toString('hex')}`,
  });
  const { grant } = transaction;
  tell('grant', { id: grant.id, verification: grant.expectedVerification });
  const account = TEST_ACCOUNTS[options.card];
  const tap = phone.tap(transaction, createStrayCard(account, systemRandom));
  const entered =
    tap.verification === 'online-pin'
      ? await phone.enterPin(tap, { pin: account.pin, pan: account.pan }, atPad(phone, behaviour))
      : null;
  if (entered !== null) tell('pin', { until: when(entered.heldUntil) });
  const payment = phone.sign(tap, entered);
  tell('intent', { bytes: payment.intent?.payload.length ?? 0, order: grant.terms.order });
}
