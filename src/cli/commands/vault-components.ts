import { ConfigError, readText } from '../../app/config.ts';
import {
  type ComponentAlgorithm,
  type ComponentFault,
  joinComponents,
  type KeyComponent,
  readComponent,
} from '../../vault/keystore/components.ts';
import { Questions } from '../terminal.ts';

/** Options of every ceremony that joins a key from components. */
export interface ComponentOptions {
  /** Files, one a custodian; the custodians are asked at the terminal where there are none. */
  readonly component?: readonly string[];
  readonly custodians?: string;
  /** What the other side shows of the whole key. */
  readonly checkValue?: string;
}

/** What custodians brought, and who they are. */
export interface BroughtComponents {
  readonly components: readonly KeyComponent[];
  /** For the history of the slot. */
  readonly by: string;
}

const TRIES = 3;
const MOST_BY = 128;
const MOST_NAME = 40;
const BY = 'ceremony: ';
const AND = ', ';

const FAULTS: Readonly<Record<ComponentFault, string>> = {
  COMPONENTS_COUNT: 'A key has two to nine components',
  COMPONENT_MALFORMED: 'The component is not hexadecimal, two digits a byte',
  COMPONENT_LENGTH: 'The component has no length of such a key, or another one than the first',
  COMPONENT_KCV: 'The check value is not that of the component: one of them is mistyped',
  COMPONENT_REPEATED: 'A component is there twice, and cancels itself out',
  COMPONENT_CONSTANT: 'All bytes of the component are the same: nobody drew it at random',
  COMPONENTS_WEAK: 'Two parts of the TDEA key are the same',
};

/** A component's fault in words: what to look at. */
export function explainComponents(reason: string, number: string | undefined): string {
  const words = Object.hasOwn(FAULTS, reason) ? FAULTS[reason as ComponentFault] : reason;
  return number ? `${words} (component ${number}).` : `${words}.`;
}

async function readFileComponent(file: string): Promise<KeyComponent> {
  const [component = '', kcv = ''] = (await readText(file)).trim().split(/\s+/);
  return { component, kcv };
}

/** One custodian alone at the keyboard: the component is hidden, its check value typed from the paper and compared at once. */
async function askCustodian(
  questions: Questions,
  number: number,
  count: number,
  algorithm: ComponentAlgorithm,
): Promise<{ readonly name: string; readonly component: KeyComponent }> {
  questions.clear();
  questions.say(`Custodian ${number} of ${count}: alone at the keyboard, with the component's paper.`);
  const name = await questions.ask('Your name: ');
  const longest = longestName(count);
  if (!/^[\p{L}\p{N} .-]+$/u.test(name) || name.length > longest)
    throw new ConfigError(`A name has 1 to ${longest} letters, digits, blanks.`);
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const component = await questions.askHidden('Component (hidden): ');
    const kcv = await questions.ask('Its check value: ');
    const read = readComponent({ component, kcv }, String(number), algorithm);
    if (read.ok) {
      read.value.wipe();
      await questions.ask(`Check value ${kcv.toUpperCase()} agrees. Press Enter, and call the next custodian. `);
      questions.clear();
      return { name, component: { component, kcv } };
    }
    questions.say(explainComponents(read.reason, undefined));
  }
  throw new ConfigError(`Component ${number} was not entered in ${TRIES} attempts; nothing was changed.`);
}

/** The check value of the whole. Throws ConfigError where the components make no key. */
function checkValueOf(components: readonly KeyComponent[], algorithm: ComponentAlgorithm): string {
  const joined = joinComponents(components, algorithm);
  if (!joined.ok) throw new ConfigError(explainComponents(joined.reason, joined.detail));
  joined.value.key.wipe();
  return joined.value.kcv;
}

function agrees(stated: string, kcv: string): boolean {
  return stated.length >= 6 && kcv.startsWith(stated.toUpperCase());
}

/**
 * The components of a key: from files, or from its custodians one after the other at the terminal, each alone. The check
 * value of the whole is confirmed before anything is changed, at the terminal always. Throws ConfigError.
 */
export async function bringComponents(
  options: ComponentOptions,
  algorithm: ComponentAlgorithm = 'AES',
  questions?: Questions,
): Promise<BroughtComponents> {
  if (options.component !== undefined) {
    const components = await Promise.all(options.component.map(readFileComponent));
    const kcv = checkValueOf(components, algorithm);
    if (options.checkValue !== undefined && !agrees(options.checkValue, kcv))
      throw new ConfigError(`The key has the check value ${kcv}, not ${options.checkValue}. Nothing was changed.`);
    return { components, by: 'ceremony' };
  }
  const count = Number(options.custodians ?? 2);
  if (!Number.isInteger(count) || count < 2 || count > 9) throw new ConfigError('--custodians is 2 to 9');
  const terminal = questions ?? new Questions();
  try {
    return await askCustodians(terminal, count, algorithm, options.checkValue);
  } finally {
    terminal.close();
  }
}

async function askCustodians(
  terminal: Questions,
  count: number,
  algorithm: ComponentAlgorithm,
  checkValue: string | undefined,
): Promise<BroughtComponents> {
  const names: string[] = [];
  const components: KeyComponent[] = [];
  for (let number = 1; number <= count; number += 1) {
    const { name, component } = await askCustodian(terminal, number, count, algorithm);
    if (names.some((other) => isSamePerson(other, name)))
      throw new ConfigError(`${name} has brought a component already: one custodian, one component.`);
    names.push(name);
    components.push(component);
  }
  const kcv = checkValueOf(components, algorithm);
  terminal.say(`The whole key has the check value ${kcv}.`);
  const stated = checkValue ?? (await terminal.ask('Type the check value that the other side shows: '));
  if (!agrees(stated, kcv)) throw new ConfigError(`That is another key than the other side's. Nothing was changed.`);
  return { components, by: `${BY}${names.join(AND)}` };
}

/** Characters of a custodian's name, so that all of them stand in the slot's history. */
const longestName = (custodians: number): number =>
  Math.min(MOST_NAME, Math.floor((MOST_BY - BY.length) / custodians) - AND.length);

/** True where two names are one person's, however they are written. */
function isSamePerson(one: string, other: string): boolean {
  const [first, second] = [one, other].map((name) => name.normalize('NFKC').replace(/\s+/g, ' ').toLowerCase());
  return first === second;
}
