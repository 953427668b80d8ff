import { Command } from 'commander';
import { receiptKeysOf } from '../../verifier/jwks.ts';
import { type ReceiptStatement, verifyReceipt } from '../../verifier/receipt.ts';
import { dataOption } from '../admin.ts';
import { anchorOption, anchorsOf } from '../anchor-files.ts';
import { EXIT } from '../exit.ts';
import { plain, print, printJson, when } from '../output.ts';
import { publishedKeys, textOfArgument } from '../published-keys.ts';

interface VerifyOptions {
  readonly data: string;
  readonly keys?: string;
  readonly anchor?: readonly string[];
  readonly issuer: string;
  readonly audience?: string;
  readonly json?: boolean;
}

/** `tapgate receipt`. */
export function receiptCommand(): Command {
  const verify = new Command('verify')
    .description('verifies a receipt offline: signature, issuer, audience, form')
    .argument('<file>', 'compact JWS, or - for standard input')
    .option(
      '--keys <file|url>',
      'published keys; those of `tapgate audit keys` for old receipts. By default those of the service on --data',
    )
    .addOption(anchorOption())
    .option('--issuer <text>', '`iss` that the receipt has to have', 'https://tapgate.localhost')
    .option('--audience <acquirer>', '`aud` that the receipt has to have; by default any')
    .option('--json', 'one JSON object')
    .addOption(dataOption())
    .addHelpText(
      'after',
      '\nExample:\n  tapgate audit keys --json > keys.json\n  tapgate receipt verify --keys keys.json receipt.jws',
    )
    .action((file: string, options: VerifyOptions) => verifyFile(file, options));
  return new Command('receipt').description('signed receipts of decisions').addCommand(verify);
}

async function verifyFile(file: string, options: VerifyOptions): Promise<void> {
  const keys = receiptKeysOf(await publishedKeys(options.keys, options.data), await anchorsOf(options.anchor));
  const { issuer, audience = null } = options;
  const verified = verifyReceipt(await textOfArgument(file), { issuer, audience, keys });
  if (!verified.ok) process.exitCode = EXIT.refused;
  if (options.json) printJson(verified.ok ? { ok: true, claims: verified.value } : verified);
  else if (verified.ok) printStatement(verified.value);
  else print(`${verified.reason}${verified.detail === undefined ? '' : `: ${plain(verified.detail)}`}`);
}

function printStatement(claims: ReceiptStatement): void {
  const { decision, type, amount, currency, order, merchant, aud, sub, grant, checkpoint } = claims;
  print(
    `The receipt is genuine: ${decision}${claims.decision === 'refused' ? ` (${claims.reasons.join(', ')})` : ''}.`,
  );
  print(`${type} of ${amount} minor units of currency ${currency}, order ${plain(order)}`);
  print(`merchant ${plain(merchant)} of acquirer ${plain(aud)}, device ${plain(sub)}, grant ${plain(grant)}`);
  print(
    `decided ${when(new Date(claims.iat * 1000))} under policy ${plain(claims.gate_policy)}, granted under ${plain(claims.policy)}`,
  );
  print(
    checkpoint === null
      ? 'It names no checkpoint of the audit log: there was none yet.'
      : `Last checkpoint of the audit log then: ${Buffer.from(checkpoint, 'base64url').toString('hex')}`,
  );
  print('Whether the decision is in the log: tapgate audit verify --receipt FILE');
}
