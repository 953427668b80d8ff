import { Command, InvalidArgumentError, Option } from 'commander';
import ora from 'ora';
import { readText } from '../../app/config.ts';
import {
  AuditAdminServiceClient,
  type BacktestChange,
  type BacktestPolicyResponse,
  type BacktestTotals,
} from '../../gen/tapgate/v1/audit_admin_service.ts';
import { type AdminOptions, withClient } from '../admin.ts';
import { print, printJson, printTable, when } from '../output.ts';

interface BacktestOptions extends AdminOptions {
  readonly policy: string;
  readonly from: Date;
  readonly to?: Date;
  readonly limit: number;
}

/** Below what a listener reads of one message. */
const LONGEST_POLICY = 60_000;

function instant(text: string): Date {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('A time: 2026-01-31 or 2026-01-31T12:00:00Z.');
  return at;
}

function number(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('A whole number.');
  return Number(text);
}

/** `tapgate policy backtest`, without the options of the admin listener. */
export function backtestCommand(): Command {
  return new Command('backtest')
    .description('takes the payments of a period again under another policy: which payments, phones and amounts change')
    .requiredOption('--policy <file>', 'policy file, YAML')
    .addOption(new Option('--from <time>', 'first instant').argParser(instant).makeOptionMandatory())
    .addOption(new Option('--to <time>', 'up to this instant; by default now').argParser(instant))
    .addOption(
      new Option('--limit <number>', 'payments that are listed for people; --json lists all')
        .argParser(number)
        .default(50),
    )
    .addHelpText('after', '\nExample:\n  tapgate policy backtest --policy candidate.yaml --from 2026-01-01')
    .action((options: BacktestOptions) => backtest(options));
}

async function backtest(options: BacktestOptions): Promise<void> {
  const policy = await readText(options.policy, LONGEST_POLICY);
  const spinner = options.json ? null : ora({ text: 'reading', stream: process.stderr }).start();
  const changes: BacktestChange[] = [];
  let totals: BacktestTotals | undefined;
  try {
    await withClient(options, AuditAdminServiceClient, async (client) => {
      const stream = client.backtestPolicy({ policy, from: options.from, to: options.to ?? new Date() });
      for await (const { part } of stream as AsyncIterable<BacktestPolicyResponse>) {
        if (part?.$case === 'change') {
          if (options.json) printJson({ change: part.value });
          else if (changes.length < options.limit) changes.push(part.value);
        }
        if (part?.$case === 'totals') totals = part.value;
        if (part?.$case === 'progress' && spinner !== null) spinner.text = `${part.value.payments} payments`;
      }
    });
  } finally {
    spinner?.stop();
  }
  if (totals === undefined) return;
  if (options.json) return printJson({ totals });
  printTotals(changes, totals);
}

const told = (outcome: string, reasons: readonly string[]): string =>
  reasons.length === 0 ? outcome : reasons.join(', ');

function printTotals(changes: readonly BacktestChange[], totals: BacktestTotals): void {
  const { payments, nowRefused, nowApproved, otherReasons, phones, phonesCut, policyVersion } = totals;
  const { withoutFacts, unreadable, notJudged } = totals;
  printTable(
    ['decided', 'merchant', 'order', 'amount', 'device', 'was', 'would be'],
    changes.map((change) => [
      when(change.decidedAt),
      `${change.acquirer}/${change.merchant}`,
      change.order,
      `${change.amountMinor} ${change.currency}`,
      change.deviceId,
      told(change.outcome, change.reasons),
      told(change.newOutcome, change.newReasons),
    ]),
    'No payment would come out otherwise.',
  );
  const changed = nowRefused + nowApproved + otherReasons;
  print(
    `\n${payments} payments under policy ${policyVersion}: ${changed} would change, of ${phones}${phonesCut ? '+' : ''} phones`,
  );
  print(`now refused ${nowRefused}, now approved ${nowApproved}, refused for another reason ${otherReasons}`);
  for (const { currency, nowRefusedMinor, nowApprovedMinor } of totals.amounts) {
    print(`currency ${currency}: ${nowRefusedMinor} minor units now refused, ${nowApprovedMinor} now approved`);
  }
  if (withoutFacts > 0n) print(`${withoutFacts} payments cannot be taken again: of before facts were kept`);
  if (unreadable > 0n) print(`${unreadable} payments cannot be taken again: what was kept of them does not read`);
  if (notJudged.length > 0) print(`not judged: ${notJudged.join(', ')}`);
}
