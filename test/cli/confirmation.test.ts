import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { ConfigError } from '../../src/app/config.ts';
import { confirmed } from '../../src/cli/confirmation.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

let said: string;

beforeEach(() => {
  said = '';
  process.exitCode = undefined;
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  process.exitCode = undefined;
});

function terminalWith(answer: string, isTTY = true): { readonly terminal: Terminal; readonly asked: () => string } {
  const input = Object.assign(new PassThrough(), { isTTY });
  const output = new PassThrough();
  input.end(answer);
  return { terminal: { input, output }, asked: () => String(output.read() ?? '') };
}

test.each(['yes\n', 'YES\n', ' yes \n'])('%j goes on', async (answer) => {
  const { terminal, asked } = terminalWith(answer);
  expect(await confirmed('Lift it?', false, terminal)).toBe(true);
  expect(asked()).toContain('Lift it? Type yes to go on: ');
  expect([said, process.exitCode]).toEqual(['', undefined]);
});

test.each(['\n', 'y\n', 'no\n', 'yes please\n', ''])('%j changes nothing, and says so', async (answer) => {
  expect(await confirmed('Lift it?', false, terminalWith(answer).terminal)).toBe(false);
  expect([said, process.exitCode]).toEqual(['Nothing was changed.\n', 1]);
});

test('nobody is asked where it was said beforehand', async () => {
  const { terminal, asked } = terminalWith('', false);
  expect(await confirmed('Lift it?', true, terminal)).toBe(true);
  expect(asked()).toBe('');
});

test('where nobody can be asked nothing goes on', async () => {
  const { terminal } = terminalWith('yes\n', false);
  await expect(confirmed('Lift it?', false, terminal)).rejects.toBeInstanceOf(ConfigError);
});
