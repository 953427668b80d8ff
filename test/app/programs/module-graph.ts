import { registerHooks } from 'node:module';

// Loads a program by its file, with the words after it as its own, and prints the address of every module that it loads.
const loaded: string[] = [];
registerHooks({
  load: (url, context, next) => {
    loaded.push(url);
    return next(url, context);
  },
});
const [program = ''] = process.argv.splice(2, 1);
process.argv[1] = program;
process.on('exit', () => process.stderr.write(JSON.stringify(loaded)));
await import(program);
