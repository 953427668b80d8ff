import { Command, Option } from 'commander';
import { readText } from '../../app/config.ts';
import { readPolicy } from '../../app/policy.ts';
import { PolicyAdminServiceClient, PolicyMode } from '../../gen/tapgate/v1/policy_admin_service.ts';
import { isPolicyVersion } from '../../policy/version.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { confirmed } from '../confirmation.ts';
import { print, printJson } from '../output.ts';
import {
  plainActivation,
  plainDifference,
  printDifferences,
  printPolicies,
  printPreview,
  printShadow,
} from '../policy-view.ts';
import { backtestCommand } from './backtest.ts';

type Mode = 'active' | 'shadow';

const MODES = { active: PolicyMode.ACTIVE, shadow: PolicyMode.SHADOW } as const;

interface ScopeOptions extends AdminOptions {
  readonly scope: string;
  readonly note: string;
}

interface ActivateOptions extends ScopeOptions {
  readonly yes?: boolean;
}

interface WithdrawOptions extends ActivateOptions {
  readonly shadow?: boolean;
}

interface ShadowOptions extends AdminOptions {
  readonly scope?: string;
  readonly note: string;
  readonly yes?: boolean;
}

function command(name: string, description: string, example: string): Command {
  const made = new Command(name).description(description);
  return made.addHelpText('after', `\nExample:\n  tapgate policy ${example}`);
}

function withAdminOptions(made: Command): Command {
  for (const option of adminOptions()) made.addOption(option);
  return made;
}

const SCOPE = 'default, canary:SHARE%, merchant:ACQUIRER/MERCHANT or group:NAME';

function noteOption(): Option {
  return new Option('--note <text>', 'why, for the record').default('');
}

/** `tapgate policy`. */
export function policyCommand(): Command {
  const check = command('check', 'checks a policy file; needs no service', 'check policy.yaml')
    .argument('<file>', 'policy file, YAML')
    .option('--json', 'one JSON object')
    .action((file: string, options: { json?: boolean }) => checkFile(file, options.json === true));
  const commands = [
    command('list', 'lists what is in force, the versions, and who activated what', 'list').action(
      (options: AdminOptions) => list(options),
    ),
    command('show', 'shows a version with every default filled in', 'show merchant:acquirer-a/shop-1')
      .argument('[policy]', 'version, or a scope for what is active there; by default the default', '')
      .action((policy: string, options: AdminOptions) => show(policy, options)),
    command('diff', 'shows in which members two versions differ', 'diff default policy.yaml')
      .argument('<before>', 'version, scope or file')
      .argument('<after>', 'version, scope or file')
      .action((before: string, after: string, options: AdminOptions) => diff(before, after, options)),
    command('activate', 'puts a version in force, after it has shown what that changes', 'activate policy.yaml')
      .argument('<policy>', 'version, scope or file')
      .option('--scope <scope>', SCOPE, 'default')
      .addOption(noteOption())
      .option('--yes', 'does not ask')
      .action((policy: string, options: ActivateOptions) => activate(policy, 'active', options)),
    command(
      'shadow',
      'watches a candidate beside what is in force; without one shows what candidates would change',
      'shadow candidate.yaml --scope canary:10%',
    )
      .argument('[policy]', 'version, scope or file of a candidate', '')
      .option('--scope <scope>', SCOPE)
      .addOption(noteOption())
      .option('--yes', 'does not ask')
      .action((policy: string, options: ShadowOptions) => shadow(policy, options)),
    backtestCommand(),
    command(
      'withdraw',
      'takes away what is assigned to a scope, after it has shown what that changes',
      'withdraw --scope canary',
    )
      .requiredOption('--scope <scope>', SCOPE)
      .option('--shadow', 'the candidate that is watched there, not what decides')
      .addOption(noteOption())
      .option('--yes', 'does not ask')
      .action((options: WithdrawOptions) => withdraw(options)),
  ];
  const policy = new Command('policy').description('versions of the policy, and whom they hold for').addCommand(check);
  for (const made of commands) policy.addCommand(withAdminOptions(made));
  return policy;
}

async function checkFile(file: string, json: boolean): Promise<void> {
  const { version, document } = await readPolicy(file);
  if (json) return printJson({ file, policyVersion: version, policy: document });
  print(`${file} is well formed: policy version ${version}.`);
}

function withPolicies<T>(options: AdminOptions, work: (client: PolicyAdminServiceClient) => Promise<T>): Promise<T> {
  return withClient(options, PolicyAdminServiceClient, work);
}

/** A version or scope as it is; a file is checked and kept first, and named by its version. */
async function named(text: string, note: string, client: PolicyAdminServiceClient): Promise<string> {
  if (isPolicyVersion(text) || /^(default|canary|canary:.*|merchant:.*|group:.*)$/.test(text)) return text;
  await readPolicy(text);
  const kept = await callOnce(client.addPolicy.bind(client), { document: await readText(text), note });
  return kept.policy?.version ?? '';
}

async function list(options: AdminOptions): Promise<void> {
  const { policies, history, inForce, generation } = await withPolicies(options, (client) =>
    callOnce(client.listPolicies.bind(client), {}),
  );
  if (!options.json) return printPolicies(inForce, policies, history);
  printJson({ generation, inForce: inForce.map(plainActivation), policies, history: history.map(plainActivation) });
}

async function show(policy: string, options: AdminOptions): Promise<void> {
  const { policy: description, document } = await withPolicies(options, (client) =>
    callOnce(client.getPolicy.bind(client), { policy }),
  );
  if (options.json) return printJson({ ...description, policy: JSON.parse(document) as unknown });
  print(`# version ${description?.version}, by ${description?.createdBy}`);
  print(JSON.stringify(JSON.parse(document), null, 2));
}

async function diff(before: string, after: string, options: AdminOptions): Promise<void> {
  const compared = await withPolicies(options, async (client) => {
    const versions = { before: await named(before, '', client), after: await named(after, '', client) };
    return callOnce(client.comparePolicies.bind(client), versions);
  });
  if (!options.json) return printDifferences(compared.differences);
  for (const difference of compared.differences) printJson(plainDifference(difference));
}

async function activate(policy: string, mode: Mode, options: ActivateOptions): Promise<void> {
  const { scope, note } = options;
  await withPolicies(options, async (client) => {
    const kept = await callOnce(client.getPolicy.bind(client), { policy: await named(policy, note, client) });
    const version = kept.policy?.version ?? '';
    const wanted = { version, scope, mode: MODES[mode] };
    const preview = await callOnce(client.previewActivation.bind(client), wanted);
    if (!options.json) printPreview(scope, mode, preview);
    const question = mode === 'shadow' ? `Watch ${version} at ${scope}?` : `Put ${version} in force at ${scope}?`;
    if (!(await confirmed(question, options.yes))) return;
    const request = { ...wanted, note, generation: preview.generation };
    const { generation } = await callOnce(client.activatePolicy.bind(client), request);
    if (options.json) {
      const { differences, devices, beforeVersion } = preview;
      return printJson({
        ...wanted,
        mode,
        generation,
        beforeVersion,
        devices,
        changes: differences.map(plainDifference),
      });
    }
    print(mode === 'shadow' ? `${version} is watched at ${scope}.` : `${version} is in force at ${scope}.`);
  });
}

async function shadow(policy: string, options: ShadowOptions): Promise<void> {
  if (policy !== '' && !(isPolicyVersion(policy) && options.scope === undefined)) {
    return activate(policy, 'shadow', { ...options, scope: options.scope ?? 'default' });
  }
  const { differences, comparisons } = await withPolicies(options, (client) =>
    callOnce(client.getShadowResult.bind(client), { version: policy, since: undefined }),
  );
  if (options.json) return printJson({ differences, comparisons });
  printShadow(differences, comparisons);
}

async function withdraw({ scope, note, shadow: ofShadow, ...options }: WithdrawOptions): Promise<void> {
  const mode: Mode = ofShadow === true ? 'shadow' : 'active';
  const wanted = { scope, mode: MODES[mode] };
  await withPolicies(options, async (client) => {
    const preview = await callOnce(client.previewActivation.bind(client), { ...wanted, version: '' });
    const { beforeVersion, afterVersion, differences, devices } = preview;
    if (!options.json) printPreview(scope, mode, preview);
    const question =
      mode === 'shadow'
        ? `Watch nothing at ${scope} any more?`
        : `Withdraw ${beforeVersion} from ${scope}, which is under ${afterVersion} then?`;
    if (!(await confirmed(question, options.yes))) return;
    const request = { ...wanted, note, generation: preview.generation };
    const { generation } = await callOnce(client.withdrawPolicy.bind(client), request);
    if (options.json) {
      const changes = differences.map(plainDifference);
      return printJson({ scope, mode, generation, beforeVersion, afterVersion, devices, changes });
    }
    print(mode === 'shadow' ? `Nothing is watched at ${scope} any more.` : `Nothing is assigned to ${scope} any more.`);
  });
}
