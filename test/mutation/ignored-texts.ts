import type { Ignorer } from '@stryker-mutator/api/ignore';

/** As much of a syntax tree as is looked at. */
interface TextPath {
  readonly node: { readonly type: string };
  readonly key: string | number | null;
  readonly listKey?: string;
  readonly parent: {
    readonly type: string;
    readonly callee?: {
      readonly type: string;
      readonly name?: string;
      readonly property?: { readonly name?: string };
    };
  } | null;
}

const TEXTS = new Set(['StringLiteral', 'TemplateLiteral']);

/** By the function that is called: which argument is a text for people. */
const ARGUMENTS: Readonly<Record<string, { readonly position: number; readonly reason: string }>> = {
  fail: { position: 1, reason: 'detail for operators: no decision reads it' },
  refuse: { position: 1, reason: 'detail for operators: no decision reads it' },
  skipped: { position: 0, reason: 'detail for operators: no decision reads it' },
  tolerated: { position: 0, reason: 'detail for operators: no decision reads it' },
  describe: { position: 0, reason: 'description in a schema: no decision reads it' },
  Error: { position: 0, reason: 'message of a bug' },
  TypeError: { position: 0, reason: 'message of a bug' },
  RangeError: { position: 0, reason: 'message of a bug' },
};

/** Leaves texts alone that only people read; a reason code, a name or anything that is compared is never one of them. */
export const IGNORED_TEXTS: Ignorer = {
  shouldIgnore: (nodePath) => {
    const { node, key, listKey, parent } = nodePath as unknown as TextPath;
    if (!TEXTS.has(node.type) || listKey !== 'arguments' || parent === null) return undefined;
    const name = parent.callee?.name ?? parent.callee?.property?.name ?? '';
    const ignored = Object.hasOwn(ARGUMENTS, name) ? ARGUMENTS[name] : undefined;
    return ignored?.position === key ? ignored.reason : undefined;
  },
};
