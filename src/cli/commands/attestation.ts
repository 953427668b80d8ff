import { Command } from 'commander';
import { loadAnchors } from '../../app/anchors.ts';
import { ConfigError, readText } from '../../app/config.ts';
import { readPolicy } from '../../app/policy.ts';
import { appraiseKey, type ExpectedKey, type KeyAppraisal } from '../../attestation/appraise.ts';
import { type AttestationPolicy, attestationPolicySchema } from '../../attestation/policy.ts';
import { decodePem } from '../../encoding/pem.ts';
import { EXIT } from '../exit.ts';
import { print, printJson, printTable } from '../output.ts';

interface VerifyOptions {
  readonly at?: string;
  readonly policy?: string;
  readonly anchor: readonly string[];
  readonly json?: boolean;
}

const MAXIMUM_PEM = 262_144;

/** `tapgate attestation`. */
export function attestationCommand(): Command {
  const verify = new Command('verify')
    .description('appraises chains of real phones; challenge, application and patches only under a policy')
    .argument('<file...>', 'PEM, leaf first')
    .option('--at <time>', 'appraise as of this instant, ISO 8601; by default now')
    .option('--policy <file>', 'policy whose rules for applications and patches apply too')
    .option('--anchor <file...>', "certificates of further anchors, beside Google's", [])
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  tapgate attestation verify pixel.pem --at 2026-02-22T00:00:00Z --json')
    .action((files: string[], options: VerifyOptions) => verifyFiles(files, options));
  return new Command('attestation').description('evidence of phones').addCommand(verify);
}

async function verifyFiles(files: readonly string[], options: VerifyOptions): Promise<void> {
  const at = options.at === undefined ? new Date() : new Date(options.at);
  if (Number.isNaN(at.getTime()))
    throw new ConfigError(`--at ${options.at}: not an instant such as 2026-02-22T00:00:00Z`);
  const anchors = await loadAnchors(options.anchor.map((file) => ({ name: file, file })));
  const { policy, expected } = await termsOf(options);
  let refused = 0;
  for (const file of files) {
    // A file without certificates is an empty chain: refused like any other that is malformed.
    const pem = decodePem(await readText(file), 'CERTIFICATE', MAXIMUM_PEM);
    const appraisal = appraiseKey({ chain: pem.ok ? pem.value : [], at, policy, expected, anchors });
    if (appraisal.verdict === 'refused') refused += 1;
    if (options.json) printJson({ file, ...appraisal });
    else show(file, appraisal);
  }
  if (refused > 0) process.exitCode = EXIT.refused;
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

function show(file: string, appraisal: KeyAppraisal): void {
  print(`${file}: ${appraisal.verdict} ${appraisal.reasons.join(', ')}`);
  const notable = appraisal.checks.filter(({ status }) => status === 'fail' || status === 'tolerated');
  printTable(
    ['check', 'status', 'detail'],
    notable.map(({ code, status, detail }) => [code, status, detail ?? '']),
    'Every check passed or was not asked for.',
  );
}
