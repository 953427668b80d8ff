import { Command } from 'commander';
/** `tapgate demo`. */
export function demoCommand(): Command {
  return new Command('demo');
}
