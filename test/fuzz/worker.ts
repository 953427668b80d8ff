// The thread that fuzzes: a run that never ends, or takes all memory, must not take its watcher along.
import { parentPort, workerData } from 'node:worker_threads';
import { instrumentModules } from './engine/hooks.ts';
import { fuzzReaders, type LoopSummary, tryOnce } from './engine/loop.ts';
import type { Finding, Problem } from './engine/problem.ts';
import { RunRecord } from './engine/record.ts';
import { TARGETS } from './targets/list.ts';
import type { Reader } from './targets/target.ts';

/** What the thread is asked for. */
export interface WorkerTask {
  readonly target: string;
  /** Names of the readers to run; empty for all. */
  readonly readers: readonly string[];
  readonly runs: number;
  readonly seed: number;
  readonly record: SharedArrayBuffer;
  /** One input instead of a run of many. */
  readonly replay: { readonly prepared: string; readonly reader: string; readonly input: Uint8Array } | null;
}

/** What the thread tells. */
export type WorkerMessage =
  | {
      readonly type: 'ready';
      readonly prepared: string;
      readonly readers: readonly string[];
      readonly branches: number;
    }
  | { readonly type: 'found'; readonly finding: Finding }
  | { readonly type: 'done'; readonly summary: LoopSummary }
  | { readonly type: 'replayed'; readonly problem: Problem | null };

const ROOT = new URL('../../', import.meta.url);

function tell(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

function chosen(readers: readonly Reader[], names: readonly string[]): readonly Reader[] {
  const unknown = names.find((name) => !readers.some((reader) => reader.name === name));
  if (unknown !== undefined) {
    throw new RangeError(
      `no reader ${JSON.stringify(unknown)}; there are ${readers.map(({ name }) => name).join(', ')}`,
    );
  }
  return names.length === 0 ? readers : readers.filter(({ name }) => names.includes(name));
}

async function work({ target: name, readers: names, runs, seed, record, replay }: WorkerTask): Promise<void> {
  const entry = TARGETS[name];
  if (entry === undefined) throw new RangeError(`no target ${JSON.stringify(name)}`);
  const instrumented = instrumentModules(ROOT, replay === null ? entry.modules : []);
  const target = await entry.load();
  const current = new RunRecord(record);
  if (replay !== null) {
    const [reader] = chosen(target.open(replay.prepared), [replay.reader]);
    if (reader === undefined) throw new RangeError('no reader');
    current.write(1, 0, replay.input);
    tell({ type: 'replayed', problem: tryOnce(reader, replay.input) });
    return;
  }
  const prepared = await target.prepare();
  const readers = chosen(target.open(prepared), names);
  const used = instrumented.used();
  if (used === 0) throw new Error('no branch of the target is watched');
  tell({ type: 'ready', prepared, readers: readers.map((reader) => reader.name), branches: used });
  const summary = fuzzReaders({
    readers,
    runs,
    seed,
    counters: instrumented.counters,
    used,
    numbers: instrumented.numbers,
    begin: (run, reader, input) => current.write(run, reader, input),
    found: (finding) => tell({ type: 'found', finding }),
  });
  tell({ type: 'done', summary });
}

await work(workerData as WorkerTask);
