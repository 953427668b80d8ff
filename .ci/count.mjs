// Counts what the checks and the tests reported; plain JavaScript, so that it can tell even where an install failed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, ...statuses] = process.argv.slice(2);

/** A run that left no report counts as one failure. */
function counts(file, read) {
  try {
    return read(JSON.parse(readFileSync(join(folder, file), 'utf8')));
  } catch {
    return { passed: 0, failed: 1 };
  }
}

const checks = counts('checks.json', ({ passed, failed }) => ({ passed, failed }));
const tests = counts('tests.json', (report) => ({
  passed: report.numPassedTests,
  // A suite that could not be loaded has no tests to count.
  failed: report.numFailedTests + report.numRuntimeErrorTestSuites,
}));

const passed = checks.passed + tests.passed;
const counted = checks.failed + tests.failed;
const failed = counted === 0 && statuses.some((status) => status !== '0') ? 1 : counted;
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && checks.passed > 0 && tests.passed > 0 ? 0 : 1;
