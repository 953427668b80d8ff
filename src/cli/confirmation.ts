import { createInterface } from 'node:readline';
import { ConfigError } from '../app/config.ts';
import { EXIT } from './exit.ts';
import { print } from './output.ts';
import type { Terminal } from './terminal.ts';

/**
 * Whether to go on: with `yes` at once, else as a person at the terminal says. Where the answer is another than `yes`,
 * the command is to change nothing: that is said, and its exit code is set.
 *
 * @throws ConfigError where nobody is there to be asked
 */
export async function confirmed(
  question: string,
  yes = false,
  terminal: Terminal = { input: process.stdin, output: process.stderr },
): Promise<boolean> {
  if (yes || (await asked(question, terminal))) return true;
  print('Nothing was changed.');
  process.exitCode = EXIT.refused;
  return false;
}

async function asked(question: string, { input, output }: Terminal): Promise<boolean> {
  if (input.isTTY !== true) throw new ConfigError('Nobody is at the terminal to confirm this. Add --yes.');
  const reader = createInterface({ input, output, prompt: `${question} Type yes to go on: ` });
  try {
    const answer = await new Promise<string>((resolve) => {
      reader.once('line', resolve);
      // Whoever leaves the terminal has not said yes.
      reader.once('close', () => resolve(''));
      reader.prompt();
    });
    return answer.trim().toLowerCase() === 'yes';
  } finally {
    reader.close();
  }
}
