import { policyJsonSchema } from './policy.ts';

/** What of JSON Schema the policy's own schema uses. */
interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
}

/** Who notices a change of each part, and when. */
const FELT_BY: Readonly<Record<string, string>> = {
  distribution: 'Every replica; of the default version only.',
  admission: 'Phones, processing and administrators at their next call; of the default version only.',
  attestation:
    'Phones when they attest, renew or have keys injected; enrolled ones at once, as they are appraised anew.',
  playIntegrity: 'Phones when they attest or renew.',
  revocation: 'The service when it next fetches the list; of the default version only.',
  devices: 'Whoever invites, and phones when they enrol, attest, resume or begin a transaction.',
  tokens:
    'Phones at their next token; verifiers of tokens by the next heartbeat. The times of the feed of revocations are of the default version only.',
  keys: 'Phones at their next injection or transaction; `publishSeconds` whoever rotates keys, of the default version only.',
  sessions: 'Open sessions at once: at the next report, and the next transaction.',
  pin: 'The next PIN entry. Where no PIN is allowed any more, entries that are open end at once.',
  gate: 'The next payment at the gate.',
};

const LONGEST_DEFAULT = 60;

/** A row: path below its part, meaning, what it may be, default. */
type Row = readonly [string, string, string, string];

function isObject({ type, properties }: Schema): boolean {
  return type === 'object' && properties !== undefined;
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function bounds(schema: Schema): string {
  const { type, items } = schema;
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.const !== undefined) return code(schema.const);
  if (schema.anyOf !== undefined) return schema.anyOf.map(bounds).join(' or ');
  if (type === 'object') return 'members';
  if (type === 'boolean') return '`true`, `false`';
  if (type === 'null') return '`null`';
  if (type === 'string') return schema.format === 'date' ? 'a day, `2027-01-31`' : 'text';
  if (type === 'array') return `list of ${items === undefined ? 'anything' : bounds(items)}${entries(schema)}`;
  return range(schema);
}

function entries({ minItems, maxItems }: Schema): string {
  if (minItems === undefined && maxItems === undefined) return '';
  return `; ${minItems ?? 0} to ${maxItems ?? 'any number of'} entries`;
}

function range({ minimum, exclusiveMinimum, maximum }: Schema): string {
  const from = minimum ?? `over ${exclusiveMinimum}`;
  return maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? `from ${from}` : `${from} to ${maximum}`;
}

function byDefault(schema: Schema, required: boolean): string {
  if (!('default' in schema)) return required ? '**stated**' : '–';
  const text = JSON.stringify(schema.default);
  return text.length > LONGEST_DEFAULT ? 'all of them' : `\`${text}\``;
}

function rowsOf(path: string, schema: Schema, required: boolean): readonly Row[] {
  if (isObject(schema)) {
    return Object.entries(schema.properties ?? {}).flatMap(([name, member]) =>
      rowsOf(path === '' ? name : `${path}.${name}`, member, schema.required?.includes(name) ?? false),
    );
  }
  const own: Row = [path, schema.description ?? '', bounds(schema), byDefault(schema, required)];
  const object = schema.anyOf?.find(isObject);
  if (object !== undefined) return [own, ...rowsOf(path, object, false)];
  if (schema.items !== undefined && isObject(schema.items)) return [own, ...rowsOf(`${path}[]`, schema.items, false)];
  return [own];
}

const HEAD = `# Members of the policy

Every member of the policy document, by part. [policy.md](policy.md) says how versions are made, put in force and
watched; [policy.schema.json](policy.schema.json) is the same for editors. \`[]\` stands for every entry of a list;
**stated** for a member that has no default. Times say their unit in their name, amounts are in minor units.

This page is generated: \`npm run generate\`.
`;

/** docs/policy-members.md: the schema as a page for people. Throws where a part lacks its word on who feels it. */
export function policyMembersDocument(): string {
  const schema = JSON.parse(policyJsonSchema()) as Schema;
  const sections = Object.entries(schema.properties ?? {}).map(([part, of]) => {
    const feltBy = FELT_BY[part];
    if (feltBy === undefined) throw new Error(`no word on who feels ${part}`);
    const rows = rowsOf('', of, false).map((row) => `| \`${row[0]}\` | ${row.slice(1).join(' | ')} |`);
    const head = '| Member | Meaning | May be | Default |\n|---|---|---|---|';
    return `## ${part}\n\n${of.description}. Felt by: ${feltBy}\n\n${head}\n${rows.join('\n')}\n`;
  });
  return `${HEAD}\n${sections.join('\n')}`;
}
