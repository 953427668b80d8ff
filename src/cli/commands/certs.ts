import { Command } from 'commander';
import { ConfigError, readConfig } from '../../app/config.ts';
import { DataFolder } from '../../app/data-folder.ts';
import { faultText } from '../../app/fault-text.ts';
import { describeCertificates } from '../../certs/describe.ts';
import { initCertificates } from '../../certs/init.ts';
import { dataOption } from '../admin.ts';
import { print, printJson, printTable, when } from '../output.ts';

const DAYS = 90;

interface InitOptions {
  readonly data: string;
  readonly config?: string;
  readonly host: readonly string[];
  readonly days: string;
  readonly json?: boolean;
}

/** `tapgate certs`. */
export function certsCommand(): Command {
  const init = new Command('init')
    .description('makes development certificates: an authority a plane, servers, acquirers, administrators')
    .addOption(dataOption())
    .option('--config <file>', 'configuration that names hosts, acquirers and administrators')
    .option('--host <name...>', 'further DNS names and addresses of the servers', [])
    .option('--days <n>', 'validity of server and client certificates', String(DAYS))
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  tapgate certs init --data .tapgate --host tapgate.test')
    .action((options: InitOptions) => run(options));
  return new Command('certs').description('development certificates').addCommand(init);
}

async function run(options: InitOptions): Promise<void> {
  const folder = new DataFolder(options.data);
  const config = await readConfig(options.config ?? null, options.data, process.env);
  await folder.make();
  const now = new Date();
  const made = await initCertificates({
    directory: folder.certificates,
    hosts: [...config.hosts, ...options.host],
    acquirers: config.acquirers,
    admins: config.administrators,
    now,
    days: Number.parseInt(options.days, 10),
  });
  if (!made.ok) throw new ConfigError(`${folder.certificates}: ${faultText(made)}`);
  const described = await describeCertificates(folder.certificates, now);
  if (options.json) {
    for (const certificate of described) printJson(certificate);
    return;
  }
  print(`${made.value.created.length} certificates made, ${made.value.kept.length} kept, in ${folder.certificates}`);
  printTable(
    ['plane', 'name', 'valid until'],
    described.map((certificate) => [certificate.plane, certificate.name, when(certificate.notAfter)]),
    'There are none.',
  );
}
