import { Command } from 'commander';
import { readConfig } from '../../app/config.ts';
import { DataFolder, target } from '../../app/data-folder.ts';
import { serve } from '../../app/serve.ts';
import { dataOption } from '../admin.ts';
import { print, printJson } from '../output.ts';
import { trustingVirtualPhones } from '../virtual-root.ts';

interface ServeOptions {
  readonly data: string;
  readonly config?: string;
  readonly trustVirtualPhones?: boolean;
  readonly json?: boolean;
}

/** `tapgate serve`. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('runs the service in the embedded profile: its own database and vault, on one folder')
    .addOption(dataOption())
    .option('--config <file>', 'configuration; by default config.yaml in the folder, if there is one')
    .option('--trust-virtual-phones', 'trust the root of virtual phones too: for trying only, never in production')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  tapgate serve --data .tapgate --trust-virtual-phones')
    .action((options: ServeOptions) => run(options));
}

async function run(options: ServeOptions): Promise<void> {
  const folder = new DataFolder(options.data);
  const file = options.config ?? (await folder.configIfThere());
  const configured = await readConfig(file, options.data, process.env);
  const config = options.trustVirtualPhones ? await trustingVirtualPhones(configured, folder) : configured;
  const tell = (step: string): void => (options.json ? printJson({ event: 'step', step }) : print(`· ${step}`));
  const service = await serve({ folder, config, tell });
  if (options.json) printJson({ event: 'ready', addresses: service.addresses, pid: process.pid });
  else {
    print();
    for (const [name, address] of Object.entries(service.addresses)) print(`  ${name.padEnd(11)}${target(address)}`);
    print();
    print('Ready. Ctrl-C drains and stops.');
  }
  await service.stopped;
}
