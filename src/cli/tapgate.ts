import { leavingFor } from './exit.ts';
import { createProgram } from './program.ts';

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  const { code, lines } = leavingFor(error);
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exitCode = code;
}
