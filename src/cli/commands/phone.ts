import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { DataFolder, target } from '../../app/data-folder.ts';
import { systemClock, systemRandom } from '../../app/system.ts';
import { InviteAdminServiceClient } from '../../gen/tapgate/v1/invite_admin_service.ts';
import { type CardScheme, TEST_ACCOUNTS } from '../../virtual/card/account.ts';
import { createStrayCard } from '../../virtual/card/card.ts';
import { namedProfiles } from '../../virtual/keymint/named.ts';
import { VIRTUAL_APPLICATION } from '../../virtual/keymint/profiles.ts';
import { connectDevice } from '../../virtual/phone/connection.ts';
import { VirtualPhone } from '../../virtual/phone/phone.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { print, printJson, when } from '../output.ts';
import { openVirtualFactory } from '../virtual-root.ts';

interface RunOptions extends AdminOptions {
  readonly device?: string;
  readonly invite?: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly profile: string;
  readonly amount: string;
  readonly currency: string;
  readonly card: CardScheme;
}

/** `tapgate phone`. */
export function phoneCommand(): Command {
  const run = new Command('run')
    .description('runs one virtual phone through the path: attest, inject, session, grant, tap, PIN, signed intent')
    .option('--device <host:port>', 'device listener; by default the one of the service on --data')
    .option('--invite <code>', 'invite to enrol with; by default one is made')
    .option('--acquirer <name>', 'acquirer of the invite that is made', 'acquirer')
    .option('--merchant <name>', 'merchant of the invite that is made', 'courier-7')
    .option('--profile <name>', 'what kind of phone', 'tee')
    .option('--amount <minor>', 'amount in minor units', '1250')
    .option('--currency <number>', 'ISO 4217 numeric', '978')
    .addOption(
      new Option('--card <scheme>', 'which test card is tapped').choices(Object.keys(TEST_ACCOUNTS)).default('visa'),
    )
    .addHelpText('after', '\nExample:\n  tapgate phone run --amount 9900');
  for (const option of adminOptions()) run.addOption(option);
  run.action((options: RunOptions) => runPhone(options));
  return new Command('phone').description('virtual phones on the real protocol').addCommand(run);
}

async function newInvite(options: RunOptions): Promise<string> {
  const { acquirer, merchant } = options;
  const request = { acquirer, merchant, validForSeconds: 600 };
  return (
    await withClient(options, InviteAdminServiceClient, (client) => callOnce(client.createInvite.bind(client), request))
  ).code;
}

async function makePhone(options: RunOptions, folder: DataFolder): Promise<VirtualPhone> {
  const profiles = namedProfiles(systemClock.now());
  const profile = profiles.get(options.profile);
  if (profile === undefined)
    throw new ConfigError(`--profile ${options.profile}: one of ${[...profiles.keys()].join(', ')}`);
  const factory = await openVirtualFactory(folder);
  const address = options.device ?? target((await folder.addresses()).device);
  const anchor = createPublicKey(await readFile(folder.serviceAnchor, 'utf8'));
  return new VirtualPhone({
    connection: connectDevice(address, await readFile(join(folder.certificates, 'device', 'ca.crt'))),
    keymint: factory.provision(profile),
    application: VIRTUAL_APPLICATION,
    serviceAnchor: anchor.export({ format: 'der', type: 'spki' }),
    now: () => systemClock.now(),
    random: systemRandom,
  });
}

async function runPhone(options: RunOptions): Promise<void> {
  const tell = (step: string, facts: Record<string, unknown>): void => {
    if (options.json) printJson({ step, ...facts });
    else
      print(
        `${step.padEnd(10)} ${Object.entries(facts)
          .map(([name, value]) => `${name} ${value}`)
          .join('  ')}`,
      );
  };
  const phone = await makePhone(options, new DataFolder(options.data));
  try {
    const attested = await phone.attest(options.invite ?? (await newInvite(options)));
    tell('attested', { device: attested.deviceId, until: when(attested.expiresAt), checks: attested.checks.length });
    const keys = await phone.injectKeys();
    tell('keys', { set: keys.keySetId, transactions: keys.maximumTransactions });
    const terms = {
      type: 'sale' as const,
      amountMinor: BigInt(options.amount),
      currency: Number(options.currency),
      merchant: options.merchant,
      order: `phone-run-${Date.now()}`,
    };
    const transaction = await phone.begin(terms);
    tell('grant', { id: transaction.grant.id, verification: transaction.grant.expectedVerification });
    const account = TEST_ACCOUNTS[options.card];
    const tap = phone.tap(transaction, createStrayCard(account, systemRandom));
    const wanted = transaction.grant.expectedVerification === 'online-pin';
    const entered = wanted ? await phone.enterPin(tap, { pin: account.pin, pan: account.pan }) : null;
    if (entered !== null) tell('pin', { until: when(entered.heldUntil) });
    const payment = phone.sign(tap, entered);
    tell('intent', { bytes: payment.intent?.payload.length ?? 0, order: terms.order });
  } finally {
    phone.close();
  }
}
