import { ATTESTATION_REASONS } from './attestation.ts';
import { AUDIT_REASONS } from './audit.ts';
import { REASONS, type Reason } from './catalogue.ts';
import { COMMON_REASONS } from './common.ts';
import { DEVICE_REASONS } from './devices.ts';
import { GATE_REASONS } from './gate.ts';
import { KEY_REASONS } from './keys.ts';
import { PLAY_INTEGRITY_REASONS } from './play-integrity.ts';
import { POLICY_REASONS } from './policy.ts';
import type { ReasonMeaning } from './reason.ts';
import { SESSION_REASONS } from './sessions.ts';
import { TOKEN_REASONS } from './tokens.ts';

const SECTIONS: readonly [string, Readonly<Record<string, ReasonMeaning>>][] = [
  ['Any service', COMMON_REASONS],
  ['Attestation, enrolment, device tokens', ATTESTATION_REASONS],
  ['Devices: standing, search, re-appraisal', DEVICE_REASONS],
  ['Relying on device tokens', TOKEN_REASONS],
  ['Play Integrity', PLAY_INTEGRITY_REASONS],
  ['Keys and the vault', KEY_REASONS],
  ['Sessions, grants, PIN entry', SESSION_REASONS],
  ['The payment gate', GATE_REASONS],
  ['Policy and its versions', POLICY_REASONS],
  ['The audit log', AUDIT_REASONS],
];

const HEAD = `# Reasons

Every refusal of Tapgate has one of these codes. They are stable: a code keeps its meaning, and a retired one is never
used for another. The same codes stand in \`google.rpc.ErrorInfo.reason\`, in \`tapgate.v1.Refusal\`, in metrics and in logs.

- **Kind**: \`denied\` (policy or evidence says no), \`invalid\` (the message is malformed), \`unauthenticated\`,
  \`precondition\` (not in this state), \`exhausted\` (a limit), \`unavailable\` (nothing was decided; never confused with
  \`denied\`).
- **Fixed by**: who can remove the cause. **Again**: \`no\`, \`now\` (a new attempt may succeed), \`later\` (after the delay in
  \`RetryInfo\`).
- Codes marked † are for operators only: a phone is told \`ATTESTATION_REFUSED\` instead, so that an attacker learns nothing.

This page is generated: \`npm run generate\`.
`;

function row(code: string, { category, meaning, action, fixableBy, retry, audience }: ReasonMeaning): string {
  const mark = audience === 'operator' ? ' †' : '';
  return `| \`${code}\`${mark} | ${category} | ${meaning} | ${action} | ${fixableBy} | ${retry} |`;
}

/** docs/reasons.md: the catalogue as a page for people. */
export function reasonsDocument(): string {
  const listed = new Set<string>();
  const sections = SECTIONS.map(([title, reasons]) => {
    const codes = Object.keys(reasons).sort();
    for (const code of codes) listed.add(code);
    const rows = codes.map((code) => row(code, REASONS[code as Reason]));
    const head = '| Code | Kind | What is wrong | What to do | Fixed by | Again |\n|---|---|---|---|---|---|';
    return `## ${title}\n\n${head}\n${rows.join('\n')}\n`;
  });
  const missing = Object.keys(REASONS).filter((code) => !listed.has(code));
  if (missing.length > 0) throw new Error(`no section has ${missing.join(', ')}`);
  return `${HEAD}\n${sections.join('\n')}`;
}
