import { INJECTION_STEPS } from './injection.ts';
import { LEDGER_STEPS } from './ledger.ts';
import { LIFE_STEPS } from './life.ts';
import { PAYMENT_STEPS } from './payments.ts';
import type { DemoStep } from './step.ts';
import { TOKEN_STEPS } from './token.ts';

interface DemoPart {
  readonly title: string;
  readonly steps: readonly DemoStep[];
}

/** What is shown before the attacks, in its order. */
export const DEMO_PARTS: readonly DemoPart[] = [
  { title: 'Payments', steps: PAYMENT_STEPS },
  { title: 'Keys', steps: [...INJECTION_STEPS, ...TOKEN_STEPS] },
  { title: 'The life of a device', steps: LIFE_STEPS },
];

/** What is shown after them. */
export const DEMO_CLOSING: DemoPart = { title: 'After the attacks', steps: LEDGER_STEPS };
