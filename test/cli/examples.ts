import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, CommanderError } from 'commander';
import { ROOT } from '../../src/checks/root.ts';
import { createProgram } from '../../src/cli/program.ts';

/** A command line as a document or a command's help prints it. */
export interface Example {
  readonly where: string;
  readonly line: string;
  /** To be typed as it stands, rather than named in a sentence. */
  readonly whole: boolean;
}

const PREFIX = /^(?:\$ )?(?:npm run -s tapgate -- |tapgate )/;

/** The words of a command line: quotes group, a redirection or a comment ends it. */
export function wordsOf(line: string): string[] {
  const command = line.replace(/\s+(?:[<>|]|# ).*$/, '');
  return [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, one, two, bare]) => one ?? two ?? bare ?? '');
}

function exampleOf(where: string, text: string, whole: boolean): Example[] {
  const line = text.trim();
  return PREFIX.test(line) ? [{ where, line: line.replace(PREFIX, ''), whole }] : [];
}

/** Pages of the project, by path. */
function pages(): string[] {
  const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...docs.map((name) => `docs/${name}`)];
}

/** Every command line of the documents: those in fences, and those in sentences. */
export function documentExamples(): Example[] {
  return pages().flatMap((page) => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const fence = /^```.*?\n(.*?)^```$/gms;
    const fenced = [...text.matchAll(fence)].flatMap(([, block = '']) =>
      block.split('\n').flatMap((line) => exampleOf(page, line, true)),
    );
    const sentences = text.replaceAll(fence, '');
    const named = [...sentences.matchAll(/`(tapgate [^`]*)`/g)].flatMap(([, code = '']) =>
      exampleOf(page, code.replaceAll(/\s+/g, ' '), false),
    );
    return [...fenced, ...named];
  });
}

function helpOf(command: Command): string {
  let shown = '';
  command.configureOutput({
    writeOut: (text) => {
      shown += text;
    },
  });
  command.outputHelp();
  return shown;
}

function commandsBelow(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsBelow)];
}

/** Every example that a command's help prints. */
export function helpExamples(): Example[] {
  return commandsBelow(createProgram()).flatMap((command) => {
    const help = helpOf(command);
    const examples = /^Examples?:\n(.*)$/ms.exec(help)?.[1] ?? '';
    return examples.split('\n').flatMap((line) => exampleOf(`${command.name()} --help`, line, true));
  });
}

function subcommand(command: Command, name: string | undefined): Command | undefined {
  return command.commands.find((each) => each.name() === name);
}

/** What the command line's own parser has against an example; null where it would run. Nothing is run. */
export function defectOf({ line, whole }: Example): string | null {
  const words = wordsOf(line).filter((word) => word !== '--help');
  let command: Command = createProgram();
  for (let next = subcommand(command, words[0]); next !== undefined; next = subcommand(command, words[0])) {
    command = next;
    words.shift();
  }
  if (command.commands.length > 0) return words.length > 0 ? `no command ${words[0]}` : null;
  command.exitOverride().configureOutput({ writeErr: () => {} });
  try {
    const { operands, unknown } = command.parseOptions(words);
    if (unknown.length > 0) return `no option ${unknown[0]}`;
    const { registeredArguments } = command;
    const most = registeredArguments.some(({ variadic }) => variadic)
      ? Number.POSITIVE_INFINITY
      : registeredArguments.length;
    if (operands.length > most) return `no argument ${operands[most]}`;
    if (!whole) return null;
    if (operands.length < registeredArguments.filter(({ required }) => required).length) return 'an argument lacks';
    const lacking = command.options.find(
      (option) => option.mandatory && command.getOptionValue(option.attributeName()) === undefined,
    );
    return lacking === undefined ? null : `${lacking.long} lacks`;
  } catch (error) {
    // A sentence may name an option alone.
    if (error instanceof CommanderError)
      return !whole && error.code === 'commander.optionMissingArgument' ? null : error.message;
    throw error;
  }
}
