// What Stryker loads: the runner, and the texts that are not mutated.
import { declareClassPlugin, declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';
import { IGNORED_TEXTS } from './ignored-texts.ts';
import { InProcessRunner } from './runner/in-process-runner.ts';

export const strykerPlugins = [
  declareClassPlugin(PluginKind.TestRunner, 'in-process', InProcessRunner),
  declareValuePlugin(PluginKind.Ignore, 'texts-for-people', IGNORED_TEXTS),
];

const folders = { type: 'array', items: { type: 'string' } } as const;

export const strykerValidationSchema = {
  type: 'object',
  properties: {
    inProcess: {
      type: 'object',
      properties: { sources: folders, tests: folders },
      required: ['sources', 'tests'],
      additionalProperties: false,
    },
  },
};
