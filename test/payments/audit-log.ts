import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runToEnd } from '../../src/virtual/world/process.ts';
import type { World } from '../../src/virtual/world/world.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const CAUGHT_UP_WITHIN = 60_000;
const PAUSE = 250;
const DECISION = 'decision/1';

/** A decision as the audit log has it. */
export interface LoggedDecision {
  readonly outcome: string;
  /** Hexadecimal. */
  readonly intentHash: string;
  readonly receiptHash: string;
}

/** What was read out of the log. */
export interface AuditExport {
  /** By the grant's id. */
  readonly decisions: ReadonlyMap<string, LoggedDecision>;
  /** Grants whose decision is in the log twice. */
  readonly repeated: readonly string[];
  readonly entries: number;
  /** What the verification answers: `ok`, and what it found. */
  readonly verified: { readonly ok: boolean; readonly findings: readonly unknown[]; readonly unsigned: string };
}

const audit = (world: World, ...argv: readonly string[]): Promise<string> =>
  runToEnd([TAPGATE, 'audit', ...argv, '--data', world.folder.data, '--json']);

/** Waits until every row is chained. */
async function untilCaughtUp(world: World): Promise<void> {
  const until = performance.now() + CAUGHT_UP_WITHIN;
  for (;;) {
    const status = JSON.parse(await audit(world, 'status')) as { readonly oldestUnchained?: string | null };
    if (status.oldestUnchained === undefined || status.oldestUnchained === null) return;
    if (performance.now() > until) throw new Error(`rows are not chained: ${status.oldestUnchained}`);
    await sleep(PAUSE);
  }
}

interface ExportedEntry {
  readonly source: string;
  readonly subject: string;
  readonly content: { readonly kept: Readonly<Record<string, string>> } | null;
}

/** Exports the log to a file of this name, and verifies it; `witnesses` are earlier exports. */
export async function exportAudit(world: World, name: string, witnesses: readonly string[]): Promise<AuditExport> {
  await untilCaughtUp(world);
  const file = exportFile(world, name);
  await audit(world, 'export', '--out', file);
  const known = witnesses.flatMap((witness) => ['--witness', exportFile(world, witness)]);
  const said = await audit(world, 'verify', '--export', file, ...known).catch((error: Error) => error.message);
  const decisions = new Map<string, LoggedDecision>();
  const repeated: string[] = [];
  let entries = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { entry } = JSON.parse(line) as { readonly entry?: ExportedEntry };
    if (entry === undefined) continue;
    entries += 1;
    if (entry.source !== DECISION) continue;
    if (decisions.has(entry.subject)) repeated.push(entry.subject);
    const kept = entry.content?.kept ?? {};
    decisions.set(entry.subject, {
      outcome: kept.outcome ?? '',
      intentHash: kept.intent_hash ?? '',
      receiptHash: kept.receipt_hash ?? '',
    });
  }
  return { decisions, repeated, entries, verified: verifiedFrom(said) };
}

function exportFile(world: World, name: string): string {
  return join(world.folder.root, `audit-${name}.ndjson`);
}

function verifiedFrom(said: string): AuditExport['verified'] {
  try {
    return JSON.parse(said);
  } catch {
    return { ok: false, findings: [said], unsigned: '' };
  }
}
