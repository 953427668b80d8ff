import { Command } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { readCompact } from '../../encoding/jws.ts';
import type { DeviceTokenClaims } from '../../tokens/claims.ts';
import { verifyDeviceToken } from '../../tokens/verify.ts';
import { deviceTokenKeysOf } from '../../verifier/jwks.ts';
import { dataOption } from '../admin.ts';
import { EXIT } from '../exit.ts';
import { plain, print, printJson, printTable, when } from '../output.ts';
import { publishedKeys } from '../published-keys.ts';
import { meaningOfClaims } from '../token-view.ts';

interface ShowOptions {
  readonly json?: boolean;
}

interface VerifyOptions extends ShowOptions {
  readonly data: string;
  readonly jwks?: string;
  readonly issuer: string;
  readonly audience?: string;
  readonly at?: string;
}

/** `tapgate token`. */
export function tokenCommand(): Command {
  const show = new Command('show')
    .description('prints what a device token says, without trusting any of it')
    .argument('<token>', 'compact JWS, or - for standard input')
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  tapgate token show eyJhbGciOiJFUzI1NiIsImtpZCI6...')
    .action(async (token: string, options: ShowOptions) => showToken(await tokenOf(token), options));
  const verify = new Command('verify')
    .description('verifies a device token offline: signature, issuer, audience, times. Revocation is not looked up.')
    .argument('<token>', 'compact JWS, or - for standard input')
    .option('--jwks <file|url>', 'published keys; by default those of the service on --data')
    .option('--issuer <text>', '`iss` that the token has to have', 'https://tapgate.localhost')
    .option('--audience <acquirer>', '`aud` that the token has to have; by default any')
    .option('--at <time>', 'verify as of this instant, ISO 8601; by default now')
    .option('--json', 'one JSON object')
    .addOption(dataOption())
    .addHelpText('after', '\nExample:\n  tapgate token verify --jwks jwks.json --audience acquirer eyJhbGciOi...')
    .action(async (token: string, options: VerifyOptions) => verifyToken(await tokenOf(token), options));
  return new Command('token').description('device tokens').addCommand(show).addCommand(verify);
}

const MAXIMUM_TOKEN = 8192;

async function tokenOf(argument: string): Promise<string> {
  if (argument !== '-') return argument.trim();
  let text = '';
  for await (const part of process.stdin.setEncoding('utf8')) {
    text += part;
    if (text.length > 2 * MAXIMUM_TOKEN) break;
  }
  return text.trim();
}

function showToken(token: string, { json }: ShowOptions): void {
  const read = readCompact(token);
  if (!read.ok) {
    if (json) printJson({ ok: false, reason: read.reason, detail: read.detail });
    else print(`This is not a token: ${read.detail ?? read.reason}.`);
    process.exitCode = EXIT.refused;
    return;
  }
  const { header, claims } = read.value;
  if (json) {
    printJson({ verified: false, header, claims });
    return;
  }
  print('Nothing of this is verified: anybody can write it. `tapgate token verify` checks the signature.\n');
  printTable(
    ['member', 'value', 'meaning'],
    [...meaningOfClaims(header), ...meaningOfClaims(claims)].map(({ name, value, meaning }) => [name, value, meaning]),
    'The token is empty.',
  );
}

async function verifyToken(token: string, options: VerifyOptions): Promise<void> {
  const now = options.at === undefined ? new Date() : new Date(options.at);
  if (Number.isNaN(now.getTime()))
    throw new ConfigError(`--at ${options.at}: not an instant such as 2026-02-22T00:00:00Z`);
  const keys = deviceTokenKeysOf(await publishedKeys(options.jwks, options.data));
  const { issuer, audience = null } = options;
  const verified = verifyDeviceToken(token, { issuer, audience, keys, now });
  if (!verified.ok) process.exitCode = EXIT.refused;
  if (options.json) printJson(verified.ok ? { ok: true, claims: verified.value } : verified);
  else if (verified.ok) printValid(verified.value);
  else print(`${verified.reason}${verified.detail === undefined ? '' : `: ${plain(verified.detail)}`}`);
}

function printValid({ sub, aud, merchant, exp, cnf, submods }: DeviceTokenClaims): void {
  print(`valid until ${when(new Date(exp * 1000))}; whether it was revoked meanwhile was not looked up`);
  print(`device ${plain(sub)} of merchant ${plain(merchant)}, acquirer ${plain(aud)}: ${submods.phone['ear.status']}`);
  print(`good only with a signature of the session key ${cnf.jkt}`);
}
