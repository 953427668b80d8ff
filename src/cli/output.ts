import Table from 'cli-table3';

/** Writes one JSON object a line. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, replaceValue)}\n`);
}

/** 64-bit integers as text, bytes as hex: JSON keeps neither. */
function replaceValue(this: unknown, key: string, value: unknown): unknown {
  const original = typeof this === 'object' && this !== null ? (this as Record<string, unknown>)[key] : value;
  if (typeof original === 'bigint') return original.toString();
  if (original instanceof Uint8Array) return Buffer.from(original).toString('hex');
  return value;
}

/** Writes a line for people. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** Text of any origin, fit for a terminal: control and format characters become a mark. */
export function plain(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\uFFFD');
}

/** Writes a table for people; says so where there are no rows. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[], empty: string): void {
  if (rows.length === 0) {
    print(empty);
    return;
  }
  const noEdges = {
    'top-left': '',
    'top-mid': '',
    'top-right': '',
    top: '',
    bottom: '',
    'bottom-left': '',
    'bottom-mid': '',
  };
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    chars: {
      ...noEdges,
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  ',
    },
  });
  for (const row of rows) table.push(row.map(plain));
  print(table.toString());
}

/** An instant as people read it: UTC, to the second. */
export function when(instant: Date | undefined): string {
  return instant === undefined ? '-' : `${instant.toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
