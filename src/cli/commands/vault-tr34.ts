import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { faultText } from '../../app/fault-text.ts';
import { openKeystoreOf } from '../../app/keystore.ts';
import { systemClock, systemRandom } from '../../app/system.ts';
import { encodePem } from '../../encoding/pem.ts';
import { bindTr34, makeTr34Key, type Tr34Subject } from '../../vault/keystore/tr34-ceremony.ts';
import { dataOption } from '../admin.ts';
import { configuredVault, type VaultOptions, vaultConfigOption } from '../configured-vault.ts';
import { readDer } from '../der-file.ts';
import { print, printJson } from '../output.ts';

interface SubjectOptions extends VaultOptions, Tr34Subject {
  readonly replace?: boolean;
  readonly json?: boolean;
}

interface BindOptions extends SubjectOptions {
  readonly certificate: string;
  readonly peer: string;
  readonly authority: string;
  readonly crl?: string;
}

function ofSubject(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(dataOption())
    .addOption(vaultConfigOption())
    .requiredOption('--acquirer <name>', 'acquirer')
    .addOption(
      new Option('--role <role>', 'what this service is to the acquirer: it receives keys (KRD), or gives them (KDH)')
        .choices(['device', 'host'])
        .makeOptionMandatory(),
    )
    .option('--replace', 'destroy the key that is there already')
    .option('--json', 'one JSON object');
}

/** `tapgate vault tr34`. */
export function tr34Command(): Command {
  const request = ofSubject('request', 'makes an RSA key for TR-34 with an acquirer, and a certificate request for it')
    .requiredOption('--out <file>', 'where the certificate request (PKCS #10, PEM) is written')
    .action((options: SubjectOptions & { readonly out: string }) => makeRequest(options));
  const bind = ofSubject('bind', "binds the acquirer's side: keys come from it, or go to it, alone")
    .requiredOption('--certificate <file>', 'certificate that was made of the request')
    .requiredOption('--peer <file>', "the other side's credential token (CT-KDH, CT-KRD), or its certificate")
    .requiredOption('--authority <file>', "certificate of the other side's authority")
    .option('--crl <file>', "revocation list of the other side's authority; has to be given with a host's certificate")
    .addHelpText(
      'after',
      '\nFiles are DER or PEM. Compare the fingerprints that are shown with the acquirer by telephone.',
    )
    .action((options: BindOptions) => bindPeer(options));
  return new Command('tr34')
    .description('binds this service and an acquirer for the transport of keys by TR-34')
    .addCommand(request)
    .addCommand(bind);
}

async function makeRequest(options: SubjectOptions & { readonly out: string }): Promise<void> {
  const { acquirer, role, out, replace = false } = options;
  const { folder, vault } = await configuredVault(options);
  const keystore = await openKeystoreOf(folder.vault, vault);
  const turn = { random: systemRandom, clock: systemClock, by: 'ceremony', replace };
  const made = makeTr34Key(keystore, { acquirer, role }, turn);
  if (!made.ok) throw new ConfigError(`No key was made: ${faultText(made)}`);
  await writeFile(out, encodePem('CERTIFICATE REQUEST', made.value.request));
  if (options.json) return printJson({ slot: made.value.slotId, request: out });
  print(
    `${made.value.slotId} is prepared. Have ${out} certified, then: tapgate vault tr34 bind --acquirer ${acquirer}`,
  );
}

async function bindPeer(options: BindOptions): Promise<void> {
  const { acquirer, role, replace = false, crl } = options;
  const { folder, vault } = await configuredVault(options);
  const keystore = await openKeystoreOf(folder.vault, vault);
  const papers = {
    certificate: await readDer(options.certificate),
    peer: await readDer(options.peer),
    authority: await readDer(options.authority),
    ...(crl !== undefined && { revocationList: await readDer(crl) }),
  };
  const turn = { random: systemRandom, clock: systemClock, by: 'ceremony', replace };
  const made = bindTr34(keystore, { acquirer, role }, papers, turn);
  if (!made.ok) throw new ConfigError(`Nothing was bound: ${faultText(made)}`);
  const { slotId, bound } = made.value;
  const fingerprintOf = (der: Uint8Array): string => createHash('sha256').update(der).digest('hex');
  const shown = {
    slot: slotId,
    own: fingerprintOf(papers.certificate),
    bound: fingerprintOf(bound.certificate.der),
    authority: fingerprintOf(bound.authority.der),
  };
  if (options.json) return printJson(shown);
  print(`${slotId} is active. SHA-256 fingerprints:`);
  print(`this side   ${shown.own}`);
  print(`other side  ${shown.bound}`);
  print(`its issuer  ${shown.authority}`);
  print('A running vault takes the binding at its next start, or at SIGHUP.');
}
