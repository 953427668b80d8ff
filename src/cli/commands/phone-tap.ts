import { Command, Option } from 'commander';
import { systemClock, systemRandom } from '../../app/system.ts';
import type { CardholderVerification } from '../../sessions/transaction.ts';
import { type CardScheme, TEST_ACCOUNTS } from '../../virtual/card/account.ts';
import { createStrayCard } from '../../virtual/card/card.ts';
import { print, printJson } from '../output.ts';

interface TapOptions {
  readonly amount: string;
  readonly currency: string;
  readonly card: CardScheme;
  readonly verification: CardholderVerification;
  readonly json?: boolean;
}

/** ISO 3166-1 numeric of the virtual terminal's country: the Netherlands. */
const COUNTRY = 528;

/** `tapgate phone tap`: what a kernel would hand to the app, of a test card whose issuer nobody knows. */
export function phoneTapCommand(): Command {
  return new Command('tap')
    .description('taps a test card of the virtual factory and shows what its kernel hands to an app: to try a client')
    .option('--amount <minor>', 'amount in minor units', '1250')
    .option('--currency <number>', 'ISO 4217 numeric', '978')
    .addOption(
      new Option('--card <scheme>', 'which test card is tapped').choices(Object.keys(TEST_ACCOUNTS)).default('visa'),
    )
    .addOption(
      new Option('--verification <name>', 'what card and terminal agree on')
        .choices(['none', 'online-pin', 'device'])
        .default('none'),
    )
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  tapgate phone tap --amount 9900 --verification online-pin --json')
    .action(showTap);
}

function showTap({ amount, currency, card, verification, json }: TapOptions): void {
  const account = TEST_ACCOUNTS[card];
  const { iccData, accountData } = createStrayCard(account, systemRandom).tap({
    amountMinor: BigInt(amount),
    currency: Number(currency),
    country: COUNTRY,
    type: 'sale',
    date: systemClock.now(),
    unpredictableNumber: systemRandom.bytes(4),
    verification,
  });
  const shown = { iccData: iccData.toString('hex'), accountData: accountData.toString('hex') };
  if (json) {
    printJson({ ...shown, pan: account.pan, pin: account.pin });
    return;
  }
  print(`ICC data, as the intent has it in clear:  ${shown.iccData}`);
  print(`Account data, which is encrypted:         ${shown.accountData}`);
  print(`PAN ${account.pan}, PIN ${account.pin}: a published test card`);
}
