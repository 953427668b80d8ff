import { ConfigError } from '../app/config.ts';

/** Where a ceremony is held: a terminal, or what a test puts in its place. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly output: NodeJS.WritableStream;
}

const ENTER = new Set(['\r', '\n']);
const ERASE = new Set(['\b', '\u007f']);
const LEAVE = new Set(['\u0003', '\u0004']);
const MOST_CHARACTERS = 1024;

/** Clears the screen and what can be scrolled back to. */
const CLEAR = '\u001b[2J\u001b[3J\u001b[H';

/** Asks at a terminal, one answer after the other. Throws ConfigError where there is none, or where whoever sits there leaves. */
export class Questions {
  readonly #terminal: Terminal;
  /** What was typed ahead. */
  #typed: string[] = [];
  #hungUp = false;

  constructor(terminal: Terminal = { input: process.stdin, output: process.stderr }) {
    if (terminal.input.isTTY !== true)
      throw new ConfigError('There is no terminal to ask at. Name the components by files: --component FILE FILE');
    this.#terminal = terminal;
    // From the first question to the last: what is typed ahead of a question is shown by no terminal either.
    terminal.input.setRawMode?.(true);
    terminal.input.once('end', () => {
      this.#hungUp = true;
    });
  }

  /** Gives the terminal back. */
  close(): void {
    this.#terminal.input.setRawMode?.(false);
    this.#terminal.input.pause();
  }

  /** Asks for a line that is shown as it is typed. */
  ask(question: string): Promise<string> {
    return this.#line(question, true);
  }

  /** Asks for a line of which nothing is shown, not even its length. */
  askHidden(question: string): Promise<string> {
    return this.#line(question, false);
  }

  say(line: string): void {
    this.#terminal.output.write(`${line}\n`);
  }

  /** Leaves nothing of what was said for whoever comes next. */
  clear(): void {
    this.#terminal.output.write(CLEAR);
  }

  #line(question: string, echo: boolean): Promise<string> {
    const { input, output } = this.#terminal;
    output.write(question);
    input.resume();
    return new Promise((resolve, reject) => {
      let line = '';
      let isAsking = true;
      const end = (finish: () => void): void => {
        isAsking = false;
        input.off('data', onData);
        input.off('end', onEnd);
        input.pause();
        output.write('\n');
        finish();
      };
      const onEnd = (): void => {
        end(() => reject(new ConfigError('The ceremony was left; nothing was changed.')));
      };
      const take = (): void => {
        for (let key = this.#typed.shift(); key !== undefined; key = this.#typed.shift()) {
          if (LEAVE.has(key)) {
            onEnd();
            return;
          }
          if (ENTER.has(key)) {
            end(() => resolve(line.trim()));
            return;
          }
          if (ERASE.has(key)) {
            if (echo && line !== '') output.write('\b \b');
            line = line.slice(0, -1);
          } else if (key >= ' ' && line.length < MOST_CHARACTERS) {
            if (echo) output.write(key);
            line += key;
          }
        }
      };
      const onData = (chunk: string | Buffer): void => {
        this.#typed.push(...chunk.toString());
        take();
      };
      input.on('data', onData);
      input.on('end', onEnd);
      take();
      // Between two questions nobody listens for its end.
      if (this.#hungUp && isAsking) onEnd();
    });
  }
}
