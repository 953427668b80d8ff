import type { Command } from 'commander';
import { attackCommand } from './commands/attack.ts';
import { attestationCommand } from './commands/attestation.ts';
import { auditCommand } from './commands/audit.ts';
import { certsCommand } from './commands/certs.ts';
import { configCommand } from './commands/config.ts';
import { decisionCommand } from './commands/decision.ts';
import { demoCommand } from './commands/demo.ts';
import { deviceCommand } from './commands/device.ts';
import { inviteCommand } from './commands/invite.ts';
import { keyCommand } from './commands/key.ts';
import { killCommand } from './commands/kill.ts';
import { phoneCommand } from './commands/phone.ts';
import { policyCommand } from './commands/policy.ts';
import { receiptCommand } from './commands/receipt.ts';
import { revocationCommand } from './commands/revocation.ts';
import { serveCommand } from './commands/serve.ts';
import { tokenCommand } from './commands/token.ts';
import { toolCommand } from './commands/tool.ts';
import { vaultCommand } from './commands/vault.ts';
import { programOf } from './program-of.ts';

/** The `tapgate` command with all its nouns. */
export function createProgram(): Command {
  return programOf([
    serveCommand(),
    demoCommand(),
    certsCommand(),
    vaultCommand(),
    configCommand(),
    inviteCommand(),
    deviceCommand(),
    attestationCommand(),
    keyCommand(),
    killCommand(),
    phoneCommand(),
    policyCommand(),
    receiptCommand(),
    attackCommand(),
    decisionCommand(),
    auditCommand(),
    revocationCommand(),
    tokenCommand(),
    toolCommand(),
  ]);
}
