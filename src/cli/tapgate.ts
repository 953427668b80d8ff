import { leavingFor } from './exit.ts';
import { createProgram } from './program.ts';

// A reader that leaves, such as `head`, ends nothing: least of all a service whose log it read, or half a change.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  const { code, lines } = leavingFor(error);
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exitCode = code;
}
