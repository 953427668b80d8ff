import { globSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ImportGraph } from './imports.ts';
import { REGISTRY, type RegisteredTest } from './registry.ts';

const GLOBALS = new URL('./globals.ts', import.meta.url).href;

/** Files that register tests, and programs that tests start. */
const IS_TEST = /\.test\.ts$|\/programs\//;

/** Where rooms keep sources and tests: folders below the root. */
export interface Folders {
  readonly sources: readonly string[];
  readonly tests: readonly string[];
}

const filesIn = (root: string, folders: readonly string[], pattern: string): string[] =>
  folders.flatMap((folder) => globSync(join(root, folder, pattern)).sort());

const load = (file: string): Promise<unknown> => import(pathToFileURL(file).href);

/** Modules and tests of a copy of the repository, in this process: `@jest/globals` is exchanged for our own. */
export class TestProgram {
  readonly #root: string;
  readonly #folders: Folders;
  /** Imports among the files below the root, by paths from there, of all modules that were loaded. */
  readonly imports = new ImportGraph();

  constructor(root: string, folders: Folders) {
    this.#root = root;
    this.#folders = folders;
    registerHooks({
      resolve: (specifier, context, nextResolve) => {
        if (specifier === '@jest/globals') return { url: GLOBALS, format: 'module-typescript', shortCircuit: true };
        const resolved = nextResolve(specifier, context);
        this.#note(context.parentURL, resolved.url);
        return resolved;
      },
    });
  }

  #note(importer: string | undefined, imported: string): void {
    const base = `${pathToFileURL(this.#root).href}/`;
    if (importer?.startsWith(base) !== true || !imported.startsWith(base)) return;
    this.imports.add(relative(this.#root, fileURLToPath(importer)), relative(this.#root, fileURLToPath(imported)));
  }

  /** Evaluates the modules of the rooms, and what their tests share. */
  async loadModules(): Promise<void> {
    for (const file of filesIn(this.#root, this.#folders.sources, '**/*.ts')) await load(file);
    const shared = filesIn(this.#root, this.#folders.tests, '**/*.ts').filter((file) => !IS_TEST.test(file));
    for (const file of shared) await load(file);
  }

  /** Test files below the root. */
  get testFiles(): readonly string[] {
    return filesIn(this.#root, this.#folders.tests, '**/*.test.ts').map((file) => relative(this.#root, file));
  }

  /** Loads test files; `loading` is told of each one before. */
  async loadTests(files: readonly string[], loading: (file: string) => void = () => undefined): Promise<void> {
    for (const file of files) {
      loading(file);
      await REGISTRY.collect(file, () => load(join(this.#root, file)));
    }
  }

  get tests(): readonly RegisteredTest[] {
    return REGISTRY.tests;
  }
}
