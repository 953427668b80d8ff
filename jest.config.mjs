import { availableParallelism } from 'node:os';

export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: { '\\.ts$': '<rootDir>/test/support/strip-types.mjs' },
  testTimeout: 60_000,
  // By default one core of two would be idle while a test waits for a process that it started.
  maxWorkers: Math.max(2, availableParallelism() - 1),
};
