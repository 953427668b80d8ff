import { writeFileSync } from 'node:fs';
import { errorCode } from './keystore/fault.ts';
import type { VaultLog } from './log.ts';

const OWNER_ONLY = 0o077;

/**
 * Keeps key material out of places where it would outlive the process: on Linux no memory goes into a core dump, be it a
 * file or a pipe to a collector (core(5), coredump_filter), and files are the owner's only. Elsewhere the one who starts
 * the process limits core dumps; that it could not be done is logged.
 */
export function harden(log: VaultLog): void {
  process.umask(OWNER_ONLY);
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch (error) {
    log('core dumps not disabled', { code: errorCode(error) });
  }
}
