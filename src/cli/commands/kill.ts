import { Command, InvalidArgumentError } from 'commander';
import { ConfigError } from '../../app/config.ts';
import {
  KillScope,
  type KillSelector,
  type KillSwitch,
  KillSwitchAdminServiceClient,
  type PreviewKillSwitchResponse,
  type SetKillSwitchResponse,
} from '../../gen/tapgate/v1/kill_switch_admin_service.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { confirmed } from '../confirmation.ts';
import { EXIT } from '../exit.ts';
import { plainKill, printKills, scopeText, selectorText } from '../kill-view.ts';
import { plain, print, printJson, printTable } from '../output.ts';

interface SetOptions extends AdminOptions {
  readonly device?: string;
  readonly build?: KillSelector;
  readonly signer?: string;
  readonly attestationKey?: string;
  readonly osPatchBelow?: number;
  readonly osPatch?: number;
  readonly merchant?: KillSelector;
  readonly acquirer?: string;
  readonly allPin?: boolean;
  readonly pinOnly?: boolean;
  readonly reason: string;
  readonly yes?: boolean;
}

interface LiftOptions extends AdminOptions {
  readonly reason: string;
  readonly yes?: boolean;
}

type Which = NonNullable<KillSelector['selector']>;

/** `tapgate kill`. */
export function killCommand(): Command {
  const set = new Command('set')
    .description('stops phones at once: shows who is hit, asks, and waits until it is in force')
    .option('--device <id>', 'one phone')
    .option('--build <package=versions>', 'an app by its version code, 41, or from one to another, 41-57', build)
    .option('--signer <sha256>', '... where a certificate of this hash has signed it')
    .option('--attestation-key <sha256>', 'phones that have shown this attestation key, by the hash of its SPKI')
    .option('--os-patch-below <level>', 'phones with older system patches, or unknown ones: YYYYMM or YYYYMMDD', level)
    .option('--os-patch <level>', 'phones with system patches of this month or day', level)
    .option('--merchant <acquirer/merchant>', 'the phones of a merchant', merchant)
    .option('--acquirer <name>', 'the phones of an acquirer')
    .option('--all-pin', 'all PIN entry, and payments with a PIN')
    .option('--pin-only', 'stop PIN entry and payments with a PIN, not the rest')
    .requiredOption('--reason <text>', 'why, for the record')
    .option('--yes', 'do not ask')
    .addHelpText('after', "\nExample:\n  tapgate kill set --build com.example.pos=41-57 --reason 'leaked signing key'")
    .action((options: SetOptions) => setKill(options));
  const list = new Command('list')
    .description('lists the switches that stand')
    .option('--lifted', 'and the ones that were lifted')
    .addHelpText('after', '\nExample:\n  tapgate kill list')
    .action((options: AdminOptions & { readonly lifted?: boolean }) => listKills(options));
  const lift = new Command('lift')
    .description('lifts a switch; phones may come again')
    .argument('<id>', 'id of the switch')
    .requiredOption('--reason <text>', 'why, for the record')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      "\nExample:\n  tapgate kill lift 6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b --reason 'app replaced'",
    )
    .action((id: string, options: LiftOptions) => liftKill(id, options));
  for (const command of [set, list, lift]) for (const option of adminOptions()) command.addOption(option);
  return new Command('kill')
    .description('switches that stop phones, builds, keys, patch levels, merchants or all PIN entry')
    .addCommand(set)
    .addCommand(list)
    .addCommand(lift);
}

function level(text: string): number {
  if (!/^\d{6}(\d{2})?$/.test(text)) throw new InvalidArgumentError('YYYYMM or YYYYMMDD');
  return Number(text);
}

function merchant(text: string): KillSelector {
  const [, acquirer = '', name = ''] = /^([^/]+)\/(.+)$/.exec(text) ?? [];
  if (name === '') throw new InvalidArgumentError('acquirer/merchant');
  return { selector: { $case: 'merchant', value: { acquirer, merchant: name } } };
}

function build(text: string): KillSelector {
  const [, packageName = '', from = '', to = from] = /^([^=]+)=(\d{1,15})(?:-(\d{1,15}))?$/.exec(text) ?? [];
  if (packageName === '') throw new InvalidArgumentError('package=41 or package=41-57');
  const versions = { fromVersion: BigInt(from), toVersion: BigInt(to) };
  return { selector: { $case: 'build', value: { packageName, ...versions, signer: '' } } };
}

/** The one selector that the options name. Throws ConfigError for none and for several. */
function selectorOf(options: SetOptions): KillSelector {
  const named: (Which | undefined)[] = [
    options.build?.selector,
    options.merchant?.selector,
    options.device === undefined ? undefined : { $case: 'deviceId', value: options.device },
    options.attestationKey === undefined ? undefined : { $case: 'attestationKey', value: options.attestationKey },
    options.osPatchBelow === undefined ? undefined : { $case: 'osPatchBelow', value: options.osPatchBelow },
    options.osPatch === undefined ? undefined : { $case: 'osPatch', value: options.osPatch },
    options.acquirer === undefined ? undefined : { $case: 'acquirer', value: options.acquirer },
    options.allPin ? { $case: 'everyone', value: true } : undefined,
  ];
  const [selector, ...others] = named.filter((one) => one !== undefined);
  if (selector === undefined || others.length > 0)
    throw new ConfigError('Name exactly one of what is to be stopped: tapgate kill set --help');
  if (options.signer === undefined) return { selector };
  if (selector.$case !== 'build') throw new ConfigError('--signer belongs to --build. Name the build too.');
  return { selector: { ...selector, value: { ...selector.value, signer: options.signer } } };
}

async function setKill(options: SetOptions): Promise<void> {
  const selector = selectorOf(options);
  const scope = options.allPin || options.pinOnly ? KillScope.PIN : KillScope.EVERYTHING;
  await withClient(options, KillSwitchAdminServiceClient, async (client) => {
    const preview = await callOnce(client.previewKillSwitch.bind(client), { selector, scope });
    if (options.json) printJson({ preview });
    else printPreview(selector, scope, preview);
    if (!(await confirmed(`Stop ${scopeText(scope)} of ${selectorText(selector)}?`, options.yes))) return;
    const stream = client.setKillSwitch({ selector, scope, cause: options.reason });
    let last: SetKillSwitchResponse | null = null;
    for await (const progress of stream as AsyncIterable<SetKillSwitchResponse>) {
      last = progress;
      if (options.json) printJson(plainProgress(progress));
      else printProgress(progress);
    }
    if (last?.killSwitch?.inForceAt === undefined) process.exitCode = EXIT.unavailable;
  });
}

function printPreview(selector: KillSelector, scope: KillScope, preview: PreviewKillSwitchResponse): void {
  const { devices, merchants, acquirers, openSessions, openPinEntries, sample } = preview;
  print(`Stops ${scopeText(scope)} of ${selectorText(selector)}:`);
  print(`  ${devices} active devices of ${merchants} merchants of ${acquirers} acquirers`);
  print(`  ${openSessions} sessions and ${openPinEntries} PIN entries are open at the replica that answers`);
  if (sample.length === 0) return;
  print();
  printTable(
    ['device', 'acquirer', 'merchant'],
    sample.map(({ deviceId, acquirer, merchant: name }) => [deviceId, acquirer, name]),
    '',
  );
  if (devices > BigInt(sample.length)) print(`... and ${devices - BigInt(sample.length)} more`);
  print();
}

function plainProgress({ killSwitch, awaited, milliseconds }: SetKillSwitchResponse): object {
  return { ...(killSwitch && plainKill(killSwitch)), awaited, milliseconds };
}

function printProgress({ killSwitch, awaited, milliseconds }: SetKillSwitchResponse): void {
  if (killSwitch === undefined) return;
  const { id, inForceAt, sessions, pinEntries, replicas } = killSwitch;
  if (inForceAt !== undefined) {
    print(`IN FORCE after ${milliseconds} ms: ${sessions} sessions and ${pinEntries} PIN entries ended or told`);
    print(`at ${replicas} replicas. To lift it: tapgate kill lift ${id} --reason TEXT`);
  } else if (awaited.length === 0) print(`SET ${id}; not in force yet`);
  else {
    const names = awaited.map(({ name, silent }) => plain(`${name}${silent ? ' (silent)' : ''}`)).join(', ');
    print(`waiting for ${names} (${milliseconds} ms)`);
  }
}

async function listKills({ lifted = false, ...options }: AdminOptions & { readonly lifted?: boolean }): Promise<void> {
  const { killSwitches } = await withClient(options, KillSwitchAdminServiceClient, (client) =>
    callOnce(client.listKillSwitches.bind(client), { withLifted: lifted }),
  );
  if (!options.json) return printKills(killSwitches);
  for (const kill of killSwitches) printJson(plainKill(kill));
}

async function liftKill(id: string, options: LiftOptions): Promise<void> {
  await withClient(options, KillSwitchAdminServiceClient, async (client) => {
    const { killSwitches } = await callOnce(client.listKillSwitches.bind(client), { withLifted: false });
    const standing = killSwitches.find((kill) => kill.id === id);
    if (!(await confirmed(standing === undefined ? `Lift ${id}?` : liftQuestion(standing), options.yes))) return;
    const { killSwitch } = await callOnce(client.liftKillSwitch.bind(client), { id, cause: options.reason });
    if (killSwitch === undefined) return;
    if (options.json) printJson(plainKill(killSwitch));
    else print(`${id} is lifted.`);
  });
}

function liftQuestion({ scope, selector, cause, setBy }: KillSwitch): string {
  const what = selector === undefined ? '' : ` of ${selectorText(selector)}`;
  return `Allow ${scopeText(scope)}${what} again, which ${plain(setBy)} stopped (${plain(cause)})?`;
}
