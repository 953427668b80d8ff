import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { runAttestationConformance } from './attestation.ts';
import { runPaymentConformance } from './payment.ts';

/** Folders with a manifest of attestation chains, however deep. */
function manifestFolders(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => /(^|\/)manifest\.json$/.test(file)).map((file) => dirname(join(folder, file)));
}

const { values, positionals } = parseArgs({
  options: { help: { type: 'boolean' } },
  allowPositionals: true,
});
const [folder] = positionals;

if (values.help === true || folder === undefined) {
  process.stdout.write(
    'Usage: npm run -s conformance -- DIR\n\nRuns every vector of a known format found under DIR: attestation chains beside a\nmanifest.json, payment keys and PIN blocks in JSON. Exits non-zero where one fails, or where none was found.\n',
  );
  process.exitCode = values.help === true ? 0 : 2;
} else {
  const runs = [...manifestFolders(folder).map(runAttestationConformance), runPaymentConformance(folder)];
  for (const { lines } of runs) for (const line of lines) process.stdout.write(`${line}\n`);
  const passed = runs.reduce((sum, run) => sum + run.passed, 0);
  const failed = runs.reduce((sum, run) => sum + run.failed, 0);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
}
