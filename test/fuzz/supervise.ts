import { Worker } from 'node:worker_threads';
import type { LoopSummary } from './engine/loop.ts';
import type { Finding, Problem } from './engine/problem.ts';
import { RunRecord } from './engine/record.ts';
import type { WorkerMessage, WorkerTask } from './worker.ts';

const HEAP_MEGABYTES = 1024;

/** Who hears of a run while it goes on. */
export interface Listener {
  /** The target is loaded: so many branches are watched. */
  ready?(readers: readonly string[], branches: number): void;
  /** `prepared` belongs to the input: see `Target.prepare`. */
  found(finding: Finding, prepared: string): void;
  /** Called about once a second with the number of runs begun. */
  running?(run: number): void;
}

/** One run of the fuzzer. */
export interface FuzzTask {
  readonly target: string;
  readonly readers?: readonly string[];
  readonly runs: number;
  readonly seed: number;
  /** A run that does not end within so many milliseconds is a finding, and the last one. 10 seconds by default. */
  readonly stallMilliseconds?: number;
}

/** One input to be tried again. */
export interface ReplayTask {
  readonly target: string;
  readonly reader: string;
  readonly prepared: string;
  readonly input: Uint8Array;
  readonly stallMilliseconds?: number;
}

interface Watched {
  readonly worker: Worker;
  readonly record: RunRecord;
}

function start(task: Omit<WorkerTask, 'record'>): Watched {
  const memory = RunRecord.memory();
  const workerData: WorkerTask = { ...task, record: memory };
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  return { worker, record: new RunRecord(memory) };
}

const isOutOfMemory = (error: unknown): boolean => (error as { code?: unknown })?.code === 'ERR_WORKER_OUT_OF_MEMORY';

const STALLED: Problem = { kind: 'stalled', message: 'does not end', stack: '' };
const EXHAUSTED: Problem = { kind: 'memory', message: `needs more than ${HEAP_MEGABYTES} MiB of heap`, stack: '' };

/**
 * Waits for the thread's last message; `failed` is told of a run that never ended or took all memory, which is the last
 * message then. Rejects with whatever else ends the thread.
 */
function watch<T>(
  { worker, record }: Watched,
  stallMilliseconds: number,
  heard: (message: WorkerMessage) => T | undefined,
  failed: (problem: Problem) => T,
  running: (run: number) => void = () => undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let last = -1;
    let since = performance.now();
    const end = (settle: () => void): void => {
      clearInterval(timer);
      void worker.terminate();
      settle();
    };
    const timer = setInterval(
      () => {
        const { run } = record;
        running(run);
        const moved = run !== last || run === 0;
        if (moved) {
          last = run;
          since = performance.now();
        } else if (performance.now() - since > stallMilliseconds) end(() => resolve(failed(STALLED)));
      },
      Math.min(1000, stallMilliseconds / 4),
    );
    worker.on('message', (message: WorkerMessage) => {
      const value = heard(message);
      if (value !== undefined) end(() => resolve(value));
    });
    worker.on('error', (error) => end(() => (isOutOfMemory(error) ? resolve(failed(EXHAUSTED)) : reject(error))));
    worker.on('exit', (code) => end(() => reject(new Error(`the fuzzing thread ended early: ${code}`))));
  });
}

const DEFAULT_STALL = 10_000;

/** Fuzzes a target in a thread of its own. A stalled run and one that takes all memory are findings, and end it. */
export function fuzz(task: FuzzTask, listener: Listener): Promise<LoopSummary> {
  const { target, readers = [], runs, seed, stallMilliseconds = DEFAULT_STALL } = task;
  const watched = start({ target, readers, runs, seed, replay: null });
  let prepared = '';
  let names: readonly string[] = [];
  const heard = (message: WorkerMessage): LoopSummary | undefined => {
    if (message.type === 'ready') {
      prepared = message.prepared;
      names = message.readers;
      listener.ready?.(names, message.branches);
    } else if (message.type === 'found') listener.found(message.finding, prepared);
    return message.type === 'done' ? message.summary : undefined;
  };
  const failed = (problem: Problem): LoopSummary => {
    const { run, reader, input } = watched.record.read();
    listener.found({ ...problem, reader: names[reader] ?? 'unknown', run, input }, prepared);
    return { runs: run, accepted: 0, branches: 0, corpus: 0 };
  };
  return watch(watched, stallMilliseconds, heard, failed, listener.running);
}

/** Tries one input again, without instrumentation; null where nothing is wrong with it any more. */
export async function replay(task: ReplayTask): Promise<Problem | null> {
  const { target, reader, prepared, input, stallMilliseconds = DEFAULT_STALL } = task;
  const watched = start({ target, readers: [], runs: 1, seed: 0, replay: { prepared, reader, input } });
  const heard = (message: WorkerMessage): { problem: Problem | null } | undefined =>
    message.type === 'replayed' ? { problem: message.problem } : undefined;
  const { problem } = await watch(watched, stallMilliseconds, heard, (failure) => ({ problem: failure }));
  return problem;
}
