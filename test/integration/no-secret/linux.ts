import { describe } from '@jest/globals';

if (process.platform !== 'linux') process.stderr.write('no-secret: skipped, it reads the /proc of Linux\n');

/** A suite that looks into the memory of processes. */
export const describeOnLinux = process.platform === 'linux' ? describe : describe.skip;
