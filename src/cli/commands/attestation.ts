import { Command } from 'commander';
import { loadAnchors } from '../../app/anchors.ts';
import { ConfigError, readText } from '../../app/config.ts';
import { faultText } from '../../app/fault-text.ts';
import { readPolicy } from '../../app/policy.ts';
import { type ChainFacts, readChain } from '../../attestation/android/chain-facts.ts';
import { parseStatusList, STATUS_LIST_LIMITS, type StatusList } from '../../attestation/android/revocation.ts';
import { appraiseKey, type ExpectedKey, type KeyAppraisal } from '../../attestation/appraise.ts';
import { type AttestationPolicy, attestationPolicySchema } from '../../attestation/policy.ts';
import { decodePem } from '../../encoding/pem.ts';
import { printChain } from '../chain-view.ts';
import { EXIT } from '../exit.ts';
import { print, printJson, printTable } from '../output.ts';

interface VerifyOptions {
  readonly at?: string;
  readonly policy?: string;
  readonly anchor: readonly string[];
  readonly statusList?: string;
  readonly json?: boolean;
}

const MAXIMUM_PEM = 262_144;

/** Options of every command that appraises a file. */
function appraisalOptions(command: Command): Command {
  return command
    .option('--at <time>', 'appraise as of this instant, ISO 8601; by default now')
    .option('--policy <file>', 'policy whose rules for applications and patches apply too')
    .option('--anchor <file...>', "certificates of further anchors, beside Google's", [])
    .option('--status-list <file>', "Google's list of revoked certificates, JSON")
    .option('--json', 'one JSON object a line');
}

/** `tapgate attestation`. */
export function attestationCommand(): Command {
  const verify = appraisalOptions(new Command('verify'))
    .description('appraises chains of real phones; challenge, application and patches only under a policy')
    .argument('<file...>', 'PEM, leaf first')
    .addHelpText('after', '\nExample:\n  tapgate attestation verify pixel.pem --at 2026-02-22T00:00:00Z --json')
    .action((files: string[], options: VerifyOptions) => appraiseFiles(files, options, printVerdict));
  const show = appraisalOptions(new Command('show'))
    .description('prints a chain as a person wants to read it')
    .argument('<file>', 'PEM, leaf first')
    .addHelpText('after', '\nExample:\n  tapgate attestation show pixel.pem')
    .action((file: string, options: VerifyOptions) => appraiseFiles([file], options, printChain));
  return new Command('attestation').description('evidence of phones').addCommand(verify).addCommand(show);
}

type PrintAppraisal = (file: string, facts: ChainFacts | null, appraisal: KeyAppraisal) => void;

async function appraiseFiles(files: readonly string[], options: VerifyOptions, show: PrintAppraisal): Promise<void> {
  const at = options.at === undefined ? new Date() : new Date(options.at);
  if (Number.isNaN(at.getTime()))
    throw new ConfigError(`--at ${options.at}: not an instant such as 2026-02-22T00:00:00Z`);
  const anchors = await loadAnchors(options.anchor.map((file) => ({ name: file, file })));
  const statusList = options.statusList === undefined ? null : await readStatusList(options.statusList, at);
  const { policy, expected } = await termsOf(options);
  let refused = 0;
  for (const file of files) {
    // A file without certificates is an empty chain: refused like any other that is malformed.
    const pem = decodePem(await readText(file), 'CERTIFICATE', MAXIMUM_PEM);
    const chain = pem.ok ? pem.value : [];
    const appraisal = appraiseKey({ chain, at, policy, expected, anchors, statusList });
    if (appraisal.verdict === 'refused') refused += 1;
    const read = readChain(chain, policy.limits, anchors);
    if (options.json) printJson({ file, ...appraisal });
    else show(file, read.ok ? read.value : null, appraisal);
  }
  if (refused > 0) process.exitCode = EXIT.refused;
}

async function readStatusList(file: string, fetchedAt: Date): Promise<StatusList> {
  const list = parseStatusList(Buffer.from(await readText(file, STATUS_LIST_LIMITS.maximumBytes)), fetchedAt);
  if (!list.ok) throw new ConfigError(`${file}: ${faultText(list)}`);
  return list.value;
}

async function termsOf(options: VerifyOptions): Promise<{ policy: AttestationPolicy; expected: ExpectedKey }> {
  if (options.policy !== undefined) {
    const { document } = await readPolicy(options.policy);
    return { policy: document.attestation, expected: { challenge: null, purpose: null, algorithm: null } };
  }
  const policy = attestationPolicySchema.parse({ statusList: { required: false } });
  return {
    policy,
    expected: { challenge: null, purpose: null, algorithm: null, application: 'skip', patches: 'skip' },
  };
}

function printVerdict(file: string, _facts: ChainFacts | null, appraisal: KeyAppraisal): void {
  print(`${file}: ${appraisal.verdict} ${appraisal.reasons.join(', ')}`);
  const notable = appraisal.checks.filter(({ status }) => status === 'fail' || status === 'tolerated');
  printTable(
    ['check', 'status', 'detail'],
    notable.map(({ code, status, detail }) => [code, status, detail ?? '']),
    'Every check passed or was not asked for.',
  );
}
