import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Command, Option } from 'commander';
import ora from 'ora';
import { ConfigError } from '../../app/config.ts';
import { checkpointHash, decodeCheckpoint } from '../../audit/checkpoint.ts';
import { FINDINGS } from '../../audit/finding.ts';
import { LONGEST_LINE, linesOf, partOf } from '../../audit/lines.ts';
import { type LogPart, verifyLog } from '../../audit/reading.ts';
import { type AuditReport, type KnownOutside, LogVerification } from '../../audit/verification.ts';
import { sha256 } from '../../encoding/digest.ts';
import { readCompact } from '../../encoding/jws.ts';
import { p256Coordinates } from '../../encoding/p256.ts';
import { isEndorsed } from '../../encoding/published-key.ts';
import {
  AuditAdminServiceClient,
  type ExportLogResponse,
  type PublishedKey,
} from '../../gen/tapgate/v1/audit_admin_service.ts';
import { partFromWire } from '../../wire/audit.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { anchorOption, anchorsOf } from '../anchor-files.ts';
import { EXIT } from '../exit.ts';
import { plain, print, printJson, printTable, when } from '../output.ts';
import { textOfArgument } from '../published-keys.ts';

interface VerifyOptions extends AdminOptions {
  readonly export?: string;
  readonly auditKey?: readonly string[];
  readonly witness?: readonly string[];
  readonly receipt?: readonly string[];
  readonly chainedWithin: string;
  readonly anchor?: readonly string[];
  readonly knownKey?: readonly string[];
}

interface ExportOptions extends AdminOptions {
  readonly out: string;
}

interface KeysOptions extends AdminOptions {
  readonly anchor?: readonly string[];
  readonly compromised?: boolean;
}

const several = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function command(name: string, description: string, example: string): Command {
  const made = new Command(name)
    .description(description)
    .addHelpText('after', `\nExample:\n  tapgate audit ${example}`);
  for (const option of adminOptions()) made.addOption(option);
  return made;
}

/** `tapgate audit`. */
export function auditCommand(): Command {
  const commands = [
    command('status', 'shows where the audit log stands', 'status').action((options: AdminOptions) =>
      showStatus(options),
    ),
    command(
      'verify',
      'verifies the whole log here, from the service or from an export; finds what was changed, removed, reordered, cut off or replaced',
      'verify --audit-key LnY2... --witness checkpoints.ndjson',
    )
      .option('--export <file>', 'verifies this export and calls no service')
      .addOption(new Option('--audit-key <id>', 'trusted audit key; several times for several').argParser(several))
      .addOption(anchorOption())
      .addOption(
        new Option('--known-key <id>', 'published key of before endorsements that is known to be genuine').argParser(
          several,
        ),
      )
      .addOption(
        new Option('--witness <file>', 'checkpoints that were kept elsewhere, or an older export').argParser(several),
      )
      .addOption(
        new Option('--receipt <file>', 'receipt whose decision and checkpoint have to be in the log').argParser(
          several,
        ),
      )
      .option('--chained-within <seconds>', 'how long after it was written a row may have been chained', '3600')
      .action((options: VerifyOptions) => verify(options)),
    command('export', 'writes the whole log to a file, for verification elsewhere', 'export --out audit.ndjson')
      .requiredOption('--out <file>', 'a new file, one JSON object a line')
      .action((options: ExportOptions) => exportLog(options)),
    command('keys', 'lists every public key that the service ever signed with; --json prints a JWKS', 'keys --json')
      .addOption(anchorOption())
      .option('--compromised', 'with --json: includes keys that are known to be compromised')
      .action((options: KeysOptions) => showKeys(options)),
  ];
  const audit = new Command('audit').description('the audit log');
  for (const made of commands) audit.addCommand(made);
  return audit;
}

async function showStatus(options: AdminOptions): Promise<void> {
  const status = await withClient(options, AuditAdminServiceClient, (client) =>
    callOnce(client.getAuditStatus.bind(client), {}),
  );
  const { lastCheckpoint, lastCheckpointHash, heads } = status;
  const decoded = lastCheckpoint === undefined ? null : decodeCheckpoint(lastCheckpoint.payload);
  const last = decoded?.ok ? { number: decoded.value.number, at: decoded.value.at, hash: lastCheckpointHash } : null;
  if (status.behind !== '') process.exitCode = EXIT.refused;
  if (options.json) {
    printJson({
      ...status,
      lastCheckpoint: last,
      lastCheckpointHash: undefined,
      auditKey: lastCheckpoint?.keyId ?? '',
    });
    return;
  }
  print(status.behind === '' ? 'The log keeps up.' : `${status.behind}: nothing new is decided.`);
  print(
    `${status.entries} entries, ${status.checkpoints} checkpoints; oldest row not chained: ${when(status.oldestUnchained)}`,
  );
  if (last !== null)
    print(`checkpoint ${last.number} of ${when(last.at)} by ${lastCheckpoint?.keyId}: ${last.hash.toString('hex')}`);
  printTable(
    ['writer', 'entries', 'signed'],
    heads.map(({ writer, sequence, signedSequence }) => [writer, sequence.toString(), signedSequence.toString()]),
    'No writer has begun.',
  );
}

/** The parts of the log as the service reads them out. */
async function* partsOf(client: AuditAdminServiceClient): AsyncGenerator<LogPart> {
  for await (const message of client.exportLog({}) as AsyncIterable<ExportLogResponse>) {
    const part = partFromWire(message);
    if (!part.ok) throw new ConfigError(`The service answers what is no part of a log: ${part.detail ?? part.reason}`);
    yield part.value;
  }
}

/** The parts of an export. */
async function* partsOfFile(file: string): AsyncGenerator<LogPart> {
  const lines = createInterface({ input: createReadStream(file, { encoding: 'utf8', highWaterMark: LONGEST_LINE }) });
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line === '') continue;
    const part = partOf(line);
    // A line that was cut off is where the export ends: the verification says so.
    if (!part.ok) throw new ConfigError(`${file}:${number}: ${part.detail ?? part.reason}`);
    yield part.value;
  }
}

async function verify(options: VerifyOptions): Promise<void> {
  const verification = new LogVerification(await knownOutside(options));
  const spinner = options.json ? null : ora({ text: 'verifying', stream: process.stderr }).start();
  let entries = 0n;
  let of = 0n;
  const onPart = (part: LogPart): void => {
    if (part.kind === 'beginning') of = part.entries;
    if (part.kind === 'entries') entries += BigInt(part.entries.length);
    if (spinner !== null) spinner.text = `${entries} of ${of} entries`;
  };
  let report: AuditReport;
  try {
    report =
      options.export === undefined
        ? await withClient(options, AuditAdminServiceClient, (client) =>
            verifyLog(partsOf(client), verification, onPart),
          )
        : await verifyLog(partsOfFile(options.export), verification, onPart);
  } finally {
    spinner?.stop();
  }
  if (report.findings.length > 0) process.exitCode = EXIT.refused;
  if (options.json) printJson({ ok: report.findings.length === 0, ...report });
  else printReport(report, options.anchor !== undefined);
}

function printReport(report: AuditReport, anchored: boolean): void {
  const { findings, findingsCut, entries, checkpoints, writers, unsigned, erased, last, signedBy, onFirstUse } = report;
  print(`${entries} entries of ${writers} writers, ${checkpoints} checkpoints; ${unsigned} entries not signed yet`);
  if (erased > 0n)
    print(`${erased} entries of devices that were forgotten: what was erased of them cannot be compared`);
  if (last !== null) print(`last checkpoint ${last.number} of ${when(last.at)}: ${last.hash.toString('hex')}`);
  if (!anchored) print('No anchor is given: which published keys are genuine is not verified. Say it: --anchor FILE');
  if (onFirstUse) {
    print(`The audit key ${signedBy[0]} was taken on trust. Keep it elsewhere, and say it: --audit-key ${signedBy[0]}`);
  }
  printTable(
    ['finding', 'where', 'what'],
    findings.map(({ code, where, detail }) => [
      code,
      where,
      `${FINDINGS[code]}${detail === undefined ? '' : `: ${detail}`}`,
    ]),
    'Nothing was changed, removed, reordered, cut off or replaced.',
  );
  if (findingsCut) print('There are more findings than these.');
}

async function knownOutside(options: VerifyOptions): Promise<KnownOutside> {
  const { auditKey, anchor, knownKey = [], witness = [], receipt = [], chainedWithin } = options;
  const checkpoints: { number: bigint | null; hash: Buffer }[] = [];
  for (const file of witness) {
    for await (const part of partsOfFile(file)) {
      if (part.kind !== 'checkpoint') continue;
      const decoded = decodeCheckpoint(part.signed.payload);
      if (!decoded.ok) throw new ConfigError(`${file}: a checkpoint cannot be read`);
      checkpoints.push({ number: decoded.value.number, hash: checkpointHash(part.signed.payload) });
    }
  }
  const receipts = new Map<string, string>();
  const receiptTexts: string[] = [];
  for (const file of receipt) {
    const compact = await textOfArgument(file);
    const read = readCompact(compact);
    if (!read.ok) throw new ConfigError(`${file}: not a receipt`);
    const { grant, checkpoint } = read.value.claims;
    if (typeof grant !== 'string') throw new ConfigError(`${file}: not a receipt`);
    receiptTexts.push(compact);
    receipts.set(grant, sha256(Buffer.from(compact, 'utf8')).toString('hex'));
    if (typeof checkpoint === 'string') checkpoints.push({ number: null, hash: Buffer.from(checkpoint, 'base64url') });
  }
  if (!/^\d{1,9}$/.test(chainedWithin)) throw new ConfigError(`--chained-within ${chainedWithin}: whole seconds`);
  return {
    auditKeys: auditKey === undefined ? null : new Set(auditKey),
    checkpoints,
    receipts,
    receiptTexts,
    anchors: await anchorsOf(anchor),
    namedKeys: new Set(knownKey),
    chainedWithinSeconds: Number(chainedWithin),
  };
}

async function exportLog(options: ExportOptions): Promise<void> {
  const file = await open(options.out, 'wx', 0o600);
  let entries = 0n;
  let whole = false;
  try {
    await withClient(options, AuditAdminServiceClient, async (client) => {
      for await (const part of partsOf(client)) {
        for (const line of linesOf(part)) await file.write(`${line}\n`);
        if (part.kind === 'entries') entries += BigInt(part.entries.length);
        if (part.kind === 'end') whole = true;
      }
    });
    await file.sync();
  } finally {
    await file.close();
  }
  if (!whole) throw new ConfigError(`${options.out}: the service ended before the log did`);
  if (options.json) printJson({ file: options.out, entries });
  else print(`${entries} entries written to ${options.out}. Verify them: tapgate audit verify --export ${options.out}`);
}

async function showKeys(options: KeysOptions): Promise<void> {
  const { keys } = await withClient(options, AuditAdminServiceClient, (client) =>
    callOnce(client.listPublishedKeys.bind(client), {}),
  );
  const anchors = await anchorsOf(options.anchor);
  if (options.json) {
    const shown = keys.filter(
      (key) =>
        (options.compromised === true || key.state !== 'compromised') && (anchors === null || isEndorsed(key, anchors)),
    );
    return printJson({ keys: shown.flatMap(jsonWebKeyOf) });
  }
  printTable(
    ['key', 'purpose', 'first seen', 'state', 'endorsed'],
    keys.map((key) => [
      key.keyId,
      key.purpose,
      when(key.firstSeen),
      key.state === '' ? '-' : key.state,
      anchors === null ? '-' : isEndorsed(key, anchors) ? 'yes' : 'NO',
    ]),
    'The service has not told of any key.',
  );
}

function jsonWebKeyOf({ keyId, purpose, publicKey, endorsements }: PublishedKey): object[] {
  const point = p256Coordinates(publicKey);
  if (point === null) return [];
  const said = endorsements.map(({ anchorId, signature }) => ({
    anchor: anchorId,
    signature: signature.toString('base64'),
  }));
  const key = { kty: 'EC', crv: 'P-256', kid: plain(keyId), ...point, alg: 'ES256', use: 'sig', tapgate_use: purpose };
  return [{ ...key, tapgate_endorsements: said }];
}
