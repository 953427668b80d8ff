// Holds what it reads in the forms that a leak would have, so that a scanner can show that it finds them.
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin });
const held: unknown[] = [];
lines.on('line', (line) => {
  // Masked on the way here: what is found was made below.
  const bytes = Buffer.from(line, 'base64').map((byte) => byte ^ 0xff);
  const copy = Buffer.from(bytes);
  held.push(
    copy,
    copy.toString('latin1'),
    copy.toString('hex'),
    Buffer.from(copy.toString('hex'), 'utf16le'),
    { text: copy.toString('base64') },
    copy.join(','),
  );
  process.stdout.write('holds\n');
});
// Asked for by nobody; what is held has to be reachable.
process.once('SIGTERM', () => process.exit(held.length === 0 ? 1 : 0));
