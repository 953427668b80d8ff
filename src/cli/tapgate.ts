import type { Command } from 'commander';
import { leavingFor } from './exit.ts';

// A reader that leaves, such as `head`, ends nothing: least of all a service whose log it read, or half a change.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  const program = await programFor(process.argv[2]);
  await program.parseAsync(process.argv);
} catch (error) {
  const { code, lines } = leavingFor(error);
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exitCode = code;
}

/** The service's process loads its own command alone: none of the code that makes keys, or works with them. */
async function programFor(noun: string | undefined): Promise<Command> {
  if (noun !== 'serve') return (await import('./program.ts')).createProgram();
  const [{ programOf }, { serveCommand }] = await Promise.all([
    import('./program-of.ts'),
    import('./commands/serve.ts'),
  ]);
  return programOf([serveCommand()]);
}
