import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { ConfigError } from '../../app/config.ts';
import {
  type ImportKeyRequest,
  KeyAdminServiceClient,
  type Tr34Destination,
  Tr34Role,
} from '../../gen/tapgate/v1/key_admin_service.ts';
import { KEY_BLOCK_TOLERANCES, TR34_TOLERANCES } from '../../keys/tolerance.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { readDer } from '../der-file.ts';
import { plainSlot } from '../key-view.ts';
import { plain, print, printJson, when } from '../output.ts';
import { textOfArgument } from '../published-keys.ts';

interface ImportOptions extends AdminOptions {
  readonly kind: string;
  readonly acquirer: string;
  readonly keyBlock?: string;
  readonly tr34?: string;
  readonly checkValue?: string;
  readonly tolerate?: readonly string[];
}

interface ExportOptions extends AdminOptions {
  readonly out?: string;
  readonly tr34?: boolean;
  readonly randomNumber?: string;
  readonly crl?: string;
  readonly deviceCrl?: string;
  readonly tolerate?: readonly string[];
}

interface CredentialOptions extends AdminOptions {
  readonly acquirer: string;
  readonly role: 'device' | 'host';
  readonly crl?: string;
  readonly out: string;
}

function withAdmin(command: Command): Command {
  for (const option of adminOptions()) command.addOption(option);
  return command;
}

const TOLERANCES = `Key blocks: ${KEY_BLOCK_TOLERANCES.join(', ')}.\nTR-34: ${TR34_TOLERANCES.join(', ')}.`;

/** `tapgate key import`. */
export function importCommand(): Command {
  return withAdmin(new Command('import').description('takes a zone key from its acquirer, into a prepared slot'))
    .addOption(new Option('--kind <kind>', 'what it is for').choices(['zone-pin', 'zone-data']).makeOptionMandatory())
    .requiredOption('--acquirer <name>', 'acquirer')
    .option('--key-block <file>', "X9.143 version D under the acquirer's zone KEK; - reads standard input")
    .option('--tr34 <file>', 'key token (KT-KDH) for the random number of tapgate key tr34 request, DER or PEM')
    .option('--check-value <hex>', 'what the acquirer states of the key; another key is refused')
    .option('--tolerate <names...>', 'departures from the standard that are tolerated, and reported')
    .addHelpText(
      'after',
      `\nZone KEKs and base derivation keys enter at the vault: tapgate vault zone, tapgate vault bdk.\n${TOLERANCES}` +
        '\nExample:\n  tapgate key import --kind zone-pin --acquirer acquirer --key-block block.txt --check-value 7B3D77',
    )
    .action((options: ImportOptions) => importKey(options));
}

/** `tapgate key export`. */
export function exportCommand(): Command {
  return withAdmin(new Command('export').description('gives a zone key to its acquirer, enciphered'))
    .argument('<slot>', 'slot id of a zone key; no other kind leaves')
    .option('--out <file>', 'where it is written; standard output where absent')
    .option('--tr34', "by TR-34 to the bound device, rather than as a key block under the acquirer's zone KEK")
    .option('--random-number <file>', "the device's random number token (RT-KRD), for --tr34")
    .option('--crl <file>', "revocation list of the authority of this service's certificate, for --tr34")
    .option('--device-crl <file>', "revocation list of the device's authority, for --tr34")
    .option('--tolerate <names...>', 'departures from the standard that are tolerated, and reported')
    .addHelpText('after', `\n${TOLERANCES}\nExample:\n  tapgate key export zone-pin-0123456789abcdef --out block.txt`)
    .action((slot: string, options: ExportOptions) => exportKey(slot, options));
}

/** `tapgate key tr34`. */
export function tr34Command(): Command {
  const request = withAdmin(new Command('request').description("expects one key token of the acquirer's host"))
    .requiredOption('--acquirer <name>', 'acquirer')
    .requiredOption('--out <file>', 'where the random number token (RT-KRD, DER) is written')
    .addHelpText('after', '\nThe number is good for one token and a day; a restart of the vault forgets it.')
    .action((options: AdminOptions & { readonly acquirer: string; readonly out: string }) => requestKey(options));
  const credential = withAdmin(
    new Command('credential').description('the credential by which the acquirer binds this service'),
  )
    .requiredOption('--acquirer <name>', 'acquirer')
    .addOption(
      new Option('--role <role>', 'what this service is to it').choices(['device', 'host']).makeOptionMandatory(),
    )
    .option('--crl <file>', "of a host: revocation list of the authority of this service's certificate")
    .requiredOption('--out <file>', 'where the credential token (CT-KRD, CT-KDH, DER) is written')
    .action((options: CredentialOptions) => credentialToken(options));
  return new Command('tr34')
    .description('key transport by TR-34, between sides that were bound at the vault: tapgate vault tr34')
    .addCommand(credential)
    .addCommand(request);
}

async function sourceOf({ keyBlock, tr34 }: ImportOptions): Promise<NonNullable<ImportKeyRequest['source']>> {
  if ((keyBlock === undefined) === (tr34 === undefined)) throw new ConfigError('Give --key-block or --tr34.');
  return keyBlock === undefined
    ? { $case: 'tr34KeyToken', value: await readDer(tr34 ?? '') }
    : { $case: 'keyBlock', value: await textOfArgument(keyBlock) };
}

function tellTolerated(tolerated: readonly string[]): void {
  for (const name of tolerated) print(`Tolerated: ${plain(name)}`);
}

async function importKey(options: ImportOptions): Promise<void> {
  const { kind, acquirer, checkValue = '', tolerate = [] } = options;
  const request = {
    kind,
    acquirer,
    source: await sourceOf(options),
    tolerate: [...tolerate],
    keyCheckValue: checkValue,
  };
  const { slot, tolerated } = await withClient(options, KeyAdminServiceClient, (client) =>
    callOnce(client.importKey.bind(client), request),
  );
  if (slot === undefined) return;
  if (options.json) return printJson({ ...plainSlot(slot), tolerated });
  tellTolerated(tolerated);
  print(`${slot.slotId} is prepared: check value ${slot.keyCheckValue}.`);
  print(`Compare it with the acquirer's, then: tapgate key activate ${slot.slotId}`);
}

async function destinationOf(options: ExportOptions): Promise<Tr34Destination | undefined> {
  const { tr34 = false, randomNumber, crl, deviceCrl } = options;
  if (!tr34) {
    if (randomNumber !== undefined || crl !== undefined || deviceCrl !== undefined)
      throw new ConfigError('--random-number, --crl and --device-crl go with --tr34.');
    return undefined;
  }
  if (randomNumber === undefined || crl === undefined)
    throw new ConfigError("--tr34 takes the device's --random-number, and the --crl of this service's own authority.");
  return {
    randomNumberToken: await readDer(randomNumber),
    revocationList: await readDer(crl),
    deviceRevocationList: deviceCrl === undefined ? Buffer.alloc(0) : await readDer(deviceCrl),
  };
}

async function exportKey(slotId: string, options: ExportOptions): Promise<void> {
  const { out, tolerate = [] } = options;
  const request = { slotId, tr34: await destinationOf(options), tolerate: [...tolerate] };
  const { slot, keyBlock, tr34KeyToken, tolerated } = await withClient(options, KeyAdminServiceClient, (client) =>
    callOnce(client.exportKey.bind(client), request),
  );
  const form = keyBlock === '' ? 'tr-34' : 'key-block';
  if (out !== undefined) await writeFile(out, keyBlock === '' ? tr34KeyToken : `${keyBlock}\n`);
  const carried = form === 'tr-34' ? { tr34KeyToken: tr34KeyToken.toString('base64') } : { keyBlock };
  const keyCheckValue = slot?.keyCheckValue ?? '';
  if (options.json)
    return printJson({
      slot: slotId,
      keyCheckValue,
      form,
      ...(out === undefined ? carried : { file: out }),
      tolerated,
    });
  if (out === undefined) return print(form === 'tr-34' ? tr34KeyToken.toString('base64') : keyBlock);
  tellTolerated(tolerated);
  print(`${slotId} was written to ${out}: check value ${keyCheckValue}.`);
}

async function requestKey(options: AdminOptions & { readonly acquirer: string; readonly out: string }): Promise<void> {
  const { acquirer, out } = options;
  const { randomNumberToken, expiresAt } = await withClient(options, KeyAdminServiceClient, (client) =>
    callOnce(client.requestTr34Key.bind(client), { acquirer }),
  );
  await writeFile(out, randomNumberToken);
  if (options.json) return printJson({ file: out, expiresAt: expiresAt?.toISOString() ?? '' });
  print(`The random number token was written to ${out}. A key token is taken for it until ${when(expiresAt)}, once:`);
  print(`tapgate key import --kind zone-pin --acquirer ${acquirer} --tr34 FILE`);
}

async function credentialToken(options: CredentialOptions): Promise<void> {
  const { acquirer, role, crl, out } = options;
  if ((role === 'host') !== (crl !== undefined))
    throw new ConfigError("A host's credential carries a revocation list (--crl), a device's none.");
  const request = {
    acquirer,
    role: role === 'host' ? Tr34Role.HOST : Tr34Role.DEVICE,
    revocationList: crl === undefined ? Buffer.alloc(0) : await readDer(crl),
  };
  const {
    credentialToken: token,
    own,
    bound,
  } = await withClient(options, KeyAdminServiceClient, (client) =>
    callOnce(client.getTr34Credential.bind(client), request),
  );
  await writeFile(out, token);
  const ends = {
    own: { fingerprint: own?.fingerprint.toString('hex') ?? '', notAfter: own?.notAfter?.toISOString() ?? '' },
    bound: { fingerprint: bound?.fingerprint.toString('hex') ?? '', notAfter: bound?.notAfter?.toISOString() ?? '' },
  };
  if (options.json) return printJson({ file: out, ...ends });
  print(`The credential was written to ${out}. SHA-256 fingerprints:`);
  print(`this side   ${ends.own.fingerprint}, until ${when(own?.notAfter)}`);
  print(`other side  ${ends.bound.fingerprint}, until ${when(bound?.notAfter)}`);
}
