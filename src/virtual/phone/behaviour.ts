import type { PostureSign } from '../../devices/posture.ts';

/** How a virtual phone behaves while it works: what it reports of itself, and what befalls it. */
export interface PhoneBehaviour {
  /** Signs that it reports all the time. */
  readonly posture: readonly PostureSign[];
  /** Signs that it reports once a pad shows. */
  readonly pinPosture: readonly PostureSign[];
  /** The phone's clock is so far ahead. */
  readonly clockAheadSeconds: number;
  /** Reports nothing after it has opened its session. */
  readonly silent: boolean;
  /** Android ends the app between two payments. */
  readonly killed: boolean;
}

const CLEAN: PhoneBehaviour = { posture: [], pinPosture: [], clockAheadSeconds: 0, silent: false, killed: false };

const always = (sign: PostureSign): PhoneBehaviour => ({ ...CLEAN, posture: [sign] });

/** Every behaviour by its name. */
export const PHONE_BEHAVIOURS = {
  clean: CLEAN,
  overlay: always('overlay'),
  'accessibility-service': always('accessibility-service'),
  'screen-capture': always('screen-capture'),
  debugger: always('debugger'),
  hooked: always('hooking'),
  'focus-lost': { ...CLEAN, pinPosture: ['focus-lost'] },
  'clock-skew': { ...CLEAN, clockAheadSeconds: 300 },
  silent: { ...CLEAN, silent: true },
  killed: { ...CLEAN, killed: true },
} as const satisfies Record<string, PhoneBehaviour>;

/** Name of a behaviour. */
export type PhoneBehaviourName = keyof typeof PHONE_BEHAVIOURS;

/** The behaviour of that name; null where there is none. */
export function behaviourOf(name: string): PhoneBehaviour | null {
  return Object.hasOwn(PHONE_BEHAVIOURS, name) ? PHONE_BEHAVIOURS[name as PhoneBehaviourName] : null;
}
