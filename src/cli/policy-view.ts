import {
  type PolicyActivation,
  type PolicyDescription,
  type PolicyDifference,
  PolicyEffect,
  PolicyMode,
  type PreviewActivationResponse,
  type ShadowComparisons,
  type ShadowDifference,
} from '../gen/tapgate/v1/policy_admin_service.ts';
import { print, printTable, when } from './output.ts';

const MODE = new Map<PolicyMode, string>([
  [PolicyMode.ACTIVE, 'active'],
  [PolicyMode.SHADOW, 'shadow'],
]);

const EFFECT = new Map<PolicyEffect, string>([
  [PolicyEffect.TIGHTER, 'tighter'],
  [PolicyEffect.LOOSER, 'LOOSER'],
  [PolicyEffect.NEUTRAL, ''],
]);

const LONGEST_VALUE = 48;

function short(json: string): string {
  if (json === '') return '-';
  return json.length > LONGEST_VALUE ? `${json.slice(0, LONGEST_VALUE - 1)}…` : json;
}

/** A difference as one JSON object. */
export function plainDifference({ path, before, after, effect, readInScope }: PolicyDifference) {
  const value = (json: string): unknown => (json === '' ? null : (JSON.parse(json) as unknown));
  const said = EFFECT.get(effect)?.toLowerCase();
  return { path, before: value(before), after: value(after), effect: said === '' ? 'neutral' : said, readInScope };
}

/** An activation as one JSON object. */
export function plainActivation({ mode, activatedAt, ...rest }: PolicyActivation) {
  return { ...rest, mode: MODE.get(mode) ?? '?', activatedAt: when(activatedAt) };
}

/** Differences as a table, and how many of them tighten and loosen. */
export function printDifferences(differences: readonly PolicyDifference[]): void {
  printTable(
    ['member', 'before', 'after', 'effect'],
    differences.map(({ path, before, after, effect, readInScope }) => [
      path,
      short(before),
      short(after),
      readInScope ? (EFFECT.get(effect) ?? '?') : 'counts in the default only',
    ]),
    'The two say the same.',
  );
}

/** What an activation touches, before it is confirmed. */
export function printPreview(scope: string, mode: string, preview: PreviewActivationResponse): void {
  const { beforeVersion, differences, devices, reappraises } = preview;
  printDifferences(differences);
  const count = (effect: PolicyEffect): number => differences.filter((one) => one.effect === effect).length;
  print();
  print(`${scope}, ${mode}: ${devices} active phones, now under ${beforeVersion}.`);
  print(`${count(PolicyEffect.TIGHTER)} members become tighter, ${count(PolicyEffect.LOOSER)} looser.`);
  if (mode === 'shadow') print('Nothing is decided by it: what would differ is counted.');
  else print('It reaches open sessions at once; a PIN entry ends where no PIN may be entered any more.');
  if (reappraises) print('All enrolled phones are appraised anew: sessions of those that do not fit any more end.');
}

/** What holds now, the documents, and who activated what. */
export function printPolicies(
  inForce: readonly PolicyActivation[],
  policies: readonly PolicyDescription[],
  history: readonly PolicyActivation[],
): void {
  const row = (entry: PolicyActivation): string[] => [
    entry.scope,
    MODE.get(entry.mode) ?? '?',
    entry.version === '' ? 'withdrawn' : entry.version,
    entry.activatedBy,
    when(entry.activatedAt),
    entry.note,
  ];
  print('In force');
  printTable(['scope', 'mode', 'version', 'by', 'at', 'note'], inForce.map(row), 'Nothing.');
  print('\nDocuments');
  printTable(
    ['version', 'by', 'at', 'note'],
    policies.map(({ version, createdBy, createdAt, note }) => [version, createdBy, when(createdAt), note]),
    'None.',
  );
  print('\nHistory');
  printTable(['scope', 'mode', 'version', 'by', 'at', 'note'], history.map(row), 'None.');
}

/** What candidates would have decided otherwise. */
export function printShadow(differences: readonly ShadowDifference[], comparisons: readonly ShadowComparisons[]): void {
  printTable(
    ['candidate', 'at', 'outcome', 'rule', 'times', 'phones', 'last in the hour of'],
    differences.map(({ version, point, outcome, rule, times, phones, lastSeen }) => [
      version,
      point,
      outcome,
      rule,
      times.toString(),
      phones.toString(),
      when(lastSeen),
    ]),
    'No difference was met.',
  );
  print();
  if (comparisons.length === 0) print('This replica has compared nothing since it started.');
  for (const { version, point, times } of comparisons) {
    print(`${version}: ${times} decisions of ${point} compared on this replica since it started.`);
  }
}
