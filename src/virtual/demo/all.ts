import { INJECTION_STEPS } from './injection.ts';
import { LIFE_STEPS } from './life.ts';
import { PAYMENT_STEPS } from './payments.ts';
import type { DemoStep } from './step.ts';
import { TOKEN_STEPS } from './token.ts';

/** What is shown beside the attacks, in its order. */
export const DEMO_PARTS: readonly { readonly title: string; readonly steps: readonly DemoStep[] }[] = [
  { title: 'Payments', steps: PAYMENT_STEPS },
  { title: 'Keys', steps: [...INJECTION_STEPS, ...TOKEN_STEPS] },
  { title: 'The life of a device', steps: LIFE_STEPS },
];
