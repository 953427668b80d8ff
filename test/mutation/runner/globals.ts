// Stands in the place of `@jest/globals` where tests run without Jest: the same names, and Jest's own `expect` and `each`.
import { bind } from 'jest-each';
import { REGISTRY, type Step } from './registry.ts';

export { expect } from 'expect';

function describeWith(skipped: boolean) {
  return (name: string, register: Step): void => REGISTRY.describe(String(name), register, skipped);
}

function testWith(skipped: boolean) {
  return (name: string, body: Step): void => REGISTRY.test(String(name), body, skipped);
}

const skippedDescribe = Object.assign(describeWith(true), { each: bind(describeWith(true) as never) });
const skippedTest = Object.assign(testWith(true), { each: bind(testWith(true) as never) });

export const describe = Object.assign(describeWith(false), {
  each: bind(describeWith(false) as never),
  skip: skippedDescribe,
});

export const test = Object.assign(testWith(false), { each: bind(testWith(false) as never), skip: skippedTest });

export const it = test;

export const beforeAll = (step: Step): unknown => REGISTRY.suite.beforeAll.push(step);
export const afterAll = (step: Step): unknown => REGISTRY.suite.afterAll.push(step);
export const beforeEach = (step: Step): unknown => REGISTRY.suite.beforeEach.push(step);
export const afterEach = (step: Step): unknown => REGISTRY.suite.afterEach.push(step);
