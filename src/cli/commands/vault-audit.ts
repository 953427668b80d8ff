import { Command } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { takeUpAuditLog } from '../../app/vault-renewal.ts';
import { type CheckpointName, NO_CHECKPOINT } from '../../audit/checkpoint.ts';
import { dataOption } from '../admin.ts';
import { configuredVault, type VaultOptions, vaultConfigOption } from '../configured-vault.ts';
import { print, printJson } from '../output.ts';

interface TakeUpOptions extends VaultOptions {
  readonly from: string;
  readonly by: string;
  readonly json?: boolean;
}

const NAME = /^([1-9]\d{0,17}):([0-9a-f]{64})$/;

/** `tapgate vault take-up-log`: the ceremony after a database was restored. */
export function takeUpLogCommand(): Command {
  return new Command('take-up-log')
    .description(
      'has the vault go on with an audit log that does not end where it signed last: after a restore; the log will say so for ever',
    )
    .addOption(dataOption())
    .addOption(vaultConfigOption())
    .requiredOption(
      '--from <number:hash>',
      'last checkpoint of the log as it is now, of `tapgate audit status`; 0 for an empty log',
    )
    .requiredOption('--by <name>', 'who does it, for the log')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  tapgate vault take-up-log --by alice' +
        ' --from 57:9f0c2b6d1e7a4f588b3c6d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a',
    )
    .action((options: TakeUpOptions) => takeUp(options));
}

async function takeUp(options: TakeUpOptions): Promise<void> {
  const from = checkpointNamed(options.from);
  const by = options.by.trim();
  if (by === '' || by.length > 128) throw new ConfigError('--by: a name of 1 to 128 characters');
  const { folder, vault } = await configuredVault(options);
  const before = await takeUpAuditLog(folder.vault, vault, from, by);
  if (options.json) {
    const told = ({ number, hash }: CheckpointName) => ({ number: number.toString(), hash: hash.toString('hex') });
    return printJson({ vault: folder.vault, from: told(from), signedLast: told(before) });
  }
  print(`The vault of ${folder.vault} goes on after checkpoint ${from.number}; it had signed ${before.number} last.`);
  print('Restart the replicas. Every verification of the log will report it: LOG_TAKEN_UP.');
}

function checkpointNamed(text: string): CheckpointName {
  if (text === '0') return NO_CHECKPOINT;
  const named = NAME.exec(text);
  if (named === null) throw new ConfigError(`--from ${text}: a number, a colon and 64 hexadecimal digits, or 0`);
  return { number: BigInt(named[1] ?? ''), hash: Buffer.from(named[2] ?? '', 'hex') };
}
