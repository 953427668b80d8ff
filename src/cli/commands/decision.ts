import { Command } from 'commander';
import { AuditAdminServiceClient } from '../../gen/tapgate/v1/audit_admin_service.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { EXIT } from '../exit.ts';
import { plain, print, printJson } from '../output.ts';

function command(name: string, description: string): Command {
  const made = new Command(name)
    .description(description)
    .argument('<grant>', 'grant id: `grant` of the receipt')
    .addHelpText('after', `\nExample:\n  tapgate decision ${name} 6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b`);
  for (const option of adminOptions()) made.addOption(option);
  return made;
}

/** `tapgate decision`. */
export function decisionCommand(): Command {
  return new Command('decision')
    .description('decisions on payments')
    .addCommand(
      command('show', 'shows everything that is kept of a decision').action((grant: string, options: AdminOptions) =>
        show(grant, options),
      ),
    )
    .addCommand(
      command('replay', 'takes a decision again from what was kept, and compares').action(
        (grant: string, options: AdminOptions) => replay(grant, options),
      ),
    );
}

async function show(grantId: string, options: AdminOptions): Promise<void> {
  const { decision } = await withClient(options, AuditAdminServiceClient, (client) =>
    callOnce(client.getDecision.bind(client), { grantId }),
  );
  const parts: unknown = JSON.parse(decision);
  if (options.json) return printJson(parts);
  printPart(parts, '');
}

/** Members a line each, parts under their names. */
function printPart(part: unknown, indent: string): void {
  if (typeof part !== 'object' || part === null) {
    print(`${indent}${plain(String(part ?? '-'))}`);
    return;
  }
  for (const [name, value] of Object.entries(part)) {
    const nested = typeof value === 'object' && value !== null;
    const text = nested ? '' : ` ${plain(String(value ?? '-'))}`;
    print(`${indent}${plain(name)}:${text}`);
    if (nested) printPart(value, `${indent}  `);
  }
}

async function replay(grantId: string, options: AdminOptions): Promise<void> {
  const answer = await withClient(options, AuditAdminServiceClient, (client) =>
    callOnce(client.replayDecision.bind(client), { grantId }),
  );
  if (!answer.same) process.exitCode = EXIT.refused;
  if (options.json) return printJson(answer);
  const told = (outcome: string, reasons: readonly string[]): string =>
    reasons.length === 0 ? outcome : `${outcome} (${reasons.join(', ')})`;
  print(`decided:  ${told(answer.outcome, answer.reasons)} under policy ${answer.policyVersion}`);
  print(`replayed: ${told(answer.replayedOutcome, answer.replayedReasons)}`);
  if (answer.foundElsewhere.length > 0) {
    print(`taken over, since only the vault or other payments can say so: ${answer.foundElsewhere.join(', ')}`);
  }
  print(answer.same ? 'The same.' : 'NOT the same: what was kept does not lead to what was decided.');
}
