// The thread that calls a PKCS #11 module: a token that does not answer stops this thread, and not the vault.
import { parentPort, workerData } from 'node:worker_threads';
import koffi from 'koffi';
import { CKR, nameOfReturn } from './constants.ts';
import { CALL_STATE, FUNCTION_NAMES, FUNCTIONS, SHARED, WORD } from './functions.ts';

type Callable = (...parameters: (bigint | number | null)[]) => number | bigint;

const PARAMETER = { u: 'unsigned long', p: 'void *', b: 'uint8' } as const;
/** CK_FUNCTION_LIST begins with a CK_VERSION, padded to the size of a pointer. */
const LIST_HEAD = WORD;

const { path, shared } = workerData as { readonly path: string; readonly shared: SharedArrayBuffer };
const states = new Int32Array(shared, 0, 2);
const words = new BigUint64Array(shared);

/** The functions of the module, or why it has none. The library stays loaded for as long as the thread refers to it. */
function load(): { readonly library: unknown; readonly functions: readonly Callable[] } | string {
  const library = koffi.load(path);
  const getFunctionList: unknown = library.func('C_GetFunctionList', 'unsigned long', ['void *']);
  const found = Buffer.alloc(WORD);
  const returned = Number((getFunctionList as (list: Buffer) => number | bigint)(found));
  if (returned !== CKR.OK) return `C_GetFunctionList ${nameOfReturn(returned)}`;
  const list = found.readBigUInt64LE();
  const functions: Callable[] = [];
  for (const name of FUNCTION_NAMES) {
    const [place, parameters] = FUNCTIONS[name];
    const types = [...parameters].map((letter) => PARAMETER[letter as keyof typeof PARAMETER]);
    const pointer: unknown = koffi.decode(list, LIST_HEAD + place * WORD, 'void *');
    if (pointer === null) return `no ${name}`;
    functions.push(koffi.decode(pointer, koffi.proto('unsigned long', types)) as Callable);
  }
  return { library, functions };
}

/** Calls what is asked for, one call after the other, until the thread is ended. */
function serve({ functions }: { readonly library: unknown; readonly functions: readonly Callable[] }): void {
  for (;;) {
    const state = Atomics.load(states, 0);
    if (state !== CALL_STATE.called) {
      Atomics.wait(states, 0, state);
      continue;
    }
    const number = states[1] ?? 0;
    const [, types] = FUNCTIONS[FUNCTION_NAMES[number]!];
    const parameters = [...types].map((type, at) => {
      const word = words[SHARED.parametersAt + at] ?? 0n;
      if (type === 'b') return Number(word);
      return type === 'p' && word === 0n ? null : word;
    });
    words[SHARED.returnedAt] = BigInt(functions[number]!(...parameters));
    Atomics.store(states, 0, CALL_STATE.returned);
    Atomics.notify(states, 0);
  }
}

let loaded: ReturnType<typeof load>;
try {
  loaded = load();
} catch {
  // What the loader says names files of the system; the path alone is the operator's own.
  loaded = 'not loaded';
}
parentPort?.postMessage(typeof loaded === 'string' ? loaded : null);
if (typeof loaded !== 'string') serve(loaded);
