import { VaultChild } from '../../../src/vault/child.ts';
import { random } from '../support/keystore.ts';

// Starts a vault as the service does, says its process id, and lives until it is killed.
const [directory = '', socket = ''] = process.argv.slice(2);
const started = await VaultChild.start({ directory, socket, random, onLine: () => undefined });
process.stdout.write(`${started.ok ? started.value.pid : started.reason}\n`);
process.stdin.resume();
