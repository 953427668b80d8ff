import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

// Loads a program by its file, with the words after it as its own, and notes the address of every module that it loads.
const loaded: string[] = [];
registerHooks({
  load: (url, context, next) => {
    loaded.push(url);
    return next(url, context);
  },
});
const [program = ''] = process.argv.splice(2, 1);
process.argv[1] = program;
// To a file: what is written to a pipe as a process exits may be cut.
process.on('exit', () => writeFileSync(process.env.MODULE_GRAPH_FILE ?? '', JSON.stringify(loaded)));
await import(program);
