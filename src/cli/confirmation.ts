import { createInterface } from 'node:readline/promises';
import { ConfigError } from '../app/config.ts';

/**
 * Asks a person at the terminal, and answers whether the answer was `yes`.
 *
 * @throws ConfigError where nobody is there to be asked
 */
export async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new ConfigError('Nobody is at the terminal to confirm this. Add --yes.');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`${question} Type yes to go on: `)).trim().toLowerCase() === 'yes';
  } finally {
    terminal.close();
  }
}
