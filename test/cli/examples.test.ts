import { describe, expect, test } from '@jest/globals';
import { defectOf, documentExamples, helpExamples, wordsOf } from './examples.ts';

/** In sentences, parts that stand for something else, and forms of several commands at once. */
const NOT_A_LINE = /[|…[\]\\]|\.\.\./;

const unfit = (examples: ReturnType<typeof helpExamples>) =>
  examples.flatMap((example) => {
    const defect = defectOf(example);
    return defect === null ? [] : [`${example.where}: tapgate ${example.line}: ${defect}`];
  });

describe('command lines that are printed', () => {
  test('by --help are taken by the parser', () => {
    const examples = helpExamples();
    expect(examples.length).toBeGreaterThan(40);
    expect(unfit(examples)).toEqual([]);
  });

  test('in the documents are taken by the parser', () => {
    const examples = documentExamples().filter(({ line, whole }) => whole || !NOT_A_LINE.test(line));
    expect(examples.filter(({ whole }) => whole).length).toBeGreaterThan(20);
    expect(examples.filter(({ whole }) => !whole).length).toBeGreaterThan(60);
    expect(unfit(examples)).toEqual([]);
  });
});

describe('the reader of examples', () => {
  test.each([
    ["kill lift 6f1c --reason 'app replaced'", ['kill', 'lift', '6f1c', '--reason', 'app replaced']],
    ['audit keys --json > keys.json', ['audit', 'keys', '--json']],
    ['audit verify   # all of it', ['audit', 'verify']],
  ])('splits %s', (line, words) => {
    expect(wordsOf(line)).toEqual(words);
  });

  test.each([
    ['key bend', 'no command bend'],
    ['key list --colour red', 'no option --colour'],
    ['key import --kind receipt --acquirer a', expect.stringContaining('receipt')],
    ['key export', 'an argument lacks'],
    ['audit status extra', 'no argument extra'],
    ['kill set --all-pin', '--reason lacks'],
    ['audit status', null],
  ])('finds what is wrong with %s', (line, defect) => {
    expect(defectOf({ where: 'here', line, whole: true })).toEqual(defect);
  });
});
