import { ConfigError } from '../app/config.ts';
import { fileFaultText } from '../app/fault-text.ts';
import { isReason, meaningOf } from '../reasons/catalogue.ts';
import { PhoneRefused, ServiceNotTrusted } from '../virtual/phone/refused.ts';
import { type ReceivedRefusal, refusalFromError } from '../wire/status.ts';
import { plain } from './output.ts';

/** Exit codes, for scripts. */
export const EXIT = { ok: 0, refused: 1, usage: 2, unavailable: 3 } as const;

/** A shorter wait goes without saying; one of an hour is all that a service is believed. */
const LEAST_TOLD = 10_000;
const LONGEST_TOLD = 3_600_000;

/** What to tell of an error, and how to leave. */
export interface Leaving {
  readonly code: number;
  readonly lines: readonly string[];
}

function explain(reasons: readonly string[]): string[] {
  return reasons.map((code) => {
    if (!isReason(code)) return code;
    const { meaning, action } = meaningOf(code);
    return `${code}: ${meaning} ${action}`;
  });
}

/** What a refusal says beside its reasons: what is wrong with the message, and when to come back. */
function more({ metadata, retryAfterMilliseconds }: ReceivedRefusal): string[] {
  const lines: string[] = [];
  if (metadata.detail !== undefined) lines.push(`It says: ${plain(metadata.detail)}`);
  if (retryAfterMilliseconds !== undefined && retryAfterMilliseconds >= LEAST_TOLD) {
    const wait = Math.ceil(retryAfterMilliseconds / 1000);
    lines.push(`Try again in ${wait} seconds${retryAfterMilliseconds >= LONGEST_TOLD ? ', or later' : ''}.`);
  }
  return lines;
}

/** What to do about errors of the database, by their class or code. */
const DATABASE: Readonly<Record<string, string>> = {
  ServerRefused: 'Update the server, or name another: database.url',
  MigrationRefused:
    'Start the program that this database belongs to, or restore the database that belongs to this one.',
  STORE_UNAVAILABLE: 'Check that the database runs, and that database.url is right.',
};

/** Turns what a command threw into words and an exit code: what is wrong, and what to do. */
export function leavingFor(error: unknown): Leaving {
  if (error instanceof ConfigError || codeOf(error).startsWith('EMBEDDED_')) {
    return { code: EXIT.usage, lines: [messageOf(error)] };
  }
  const fileFault = fileFaultText(error);
  if (fileFault !== null) return { code: EXIT.usage, lines: [fileFault] };
  if (error instanceof PhoneRefused) return { code: EXIT.refused, lines: explain(error.reasons) };
  if (error instanceof ServiceNotTrusted) return { code: EXIT.refused, lines: [error.message] };
  const refusal = refusalFromError(error);
  if (refusal !== null) {
    const unavailable = refusal.reasons.some((code) => isReason(code) && meaningOf(code).category === 'unavailable');
    return {
      code: unavailable ? EXIT.unavailable : EXIT.refused,
      lines: [...explain(refusal.reasons), ...more(refusal)],
    };
  }
  const advice = DATABASE[nameOf(error)] ?? DATABASE[codeOf(error)];
  if (advice !== undefined) return { code: EXIT.unavailable, lines: [`${messageOf(error)}. ${advice}`] };
  if (isConnectionError(error)) {
    return {
      code: EXIT.unavailable,
      lines: [`The service does not answer: ${messageOf(error)}. Is it running, and at this address?`],
    };
  }
  return {
    code: EXIT.unavailable,
    lines: [`Unexpected: ${messageOf(error)}. That is a fault of tapgate: please report it with the command line.`],
  };
}

function isConnectionError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'details' in error && 'metadata' in error;
}

/** The code that errors of the store carry, or nothing. */
function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
