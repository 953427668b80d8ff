import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MAXIMUM_COUNTERS } from './coverage.ts';
import { COUNTERS, instrument } from './instrument.ts';

/** Counters of the modules that were instrumented as they were loaded. */
export interface InstrumentedModules {
  readonly counters: Uint8ClampedArray;
  /** How many counters are in use. */
  used(): number;
  /** Whole numbers that stand in the modules. */
  readonly numbers: ReadonlySet<number>;
}

/**
 * From now on instruments each TypeScript module of this thread whose path below `root` begins with one of the prefixes.
 * Modules that are loaded already stay as they are.
 */
export function instrumentModules(root: URL, prefixes: readonly string[]): InstrumentedModules {
  const counters = new Uint8ClampedArray(MAXIMUM_COUNTERS);
  Object.defineProperty(globalThis, COUNTERS, { value: counters });
  const numbers = new Set<number>();
  let used = 0;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const path = url.startsWith(root.href) ? url.slice(root.href.length) : '';
      if (!path.endsWith('.ts') || !prefixes.some((prefix) => path.startsWith(prefix))) return loaded;
      const source =
        typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
      const instrumented = instrument(fileURLToPath(url), source, used);
      used += instrumented.counters;
      if (used > MAXIMUM_COUNTERS) throw new RangeError(`more than ${MAXIMUM_COUNTERS} branches to watch`);
      for (const number of instrumented.numbers) numbers.add(number);
      return { ...loaded, source: instrumented.source };
    },
  });
  return { counters, used: () => used, numbers };
}
