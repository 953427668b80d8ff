import { Command } from 'commander';
/** `tapgate phone`. */
export function phoneCommand(): Command {
  return new Command('phone');
}
