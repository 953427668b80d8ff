/** A statement that the database prepares once per connection, under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** A value of a statement's parameter. JSON goes as text; an INT8 as a bigint. */
export type SqlValue = string | number | bigint | boolean | Date | Uint8Array | null | readonly SqlValue[];

/** What a statement answered. `rowCount` is the number of rows returned or changed. */
export interface Rows<Row> {
  readonly rows: readonly Row[];
  readonly rowCount: number;
}

/** Something that runs statements: the pool, or one transaction. */
export interface SqlSession {
  /**
   * Runs one statement; text of several is refused by the database.
   *
   * @typeParam Row the columns by name, as value-types.ts turns them into values; stated by the caller, not checked
   * @throws StoreError
   */
  query<Row extends object>(statement: Statement | string, values?: readonly SqlValue[]): Promise<Rows<Row>>;
}

/** PostgreSQL cuts longer names, so that two could become one. */
const LONGEST_NAME = 63;

/** Names a statement. The name is unique in the program and never reused for another text. */
export function prepared(name: string, text: string): Statement {
  if (!/^[a-z][a-z0-9_-]*$/.test(name) || name.length > LONGEST_NAME)
    throw new RangeError(`not a statement's name: ${name}`);
  return { name, text };
}
