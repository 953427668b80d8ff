import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TRANSPORTS } from '../phone/transport-keys.ts';
import { makeVirtualToken, softHsmModule } from '../world/soft-token.ts';
import type { World } from '../world/world.ts';
import { injectBy } from './injection.ts';
import type { DemoStep } from './step.ts';

/** Has phones take keys by each transport from a service of its own, whose base derivation keys are in the token. */
async function injectFromToken(world: World, module: string): Promise<string> {
  const root = join(world.folder.root, 'beside');
  await mkdir(root, { mode: 0o711 });
  const vault = await makeVirtualToken(join(world.folder.root, 'token'), module);
  const beside = await world.beside(root, vault);
  try {
    const said: string[] = [];
    for (const transport of TRANSPORTS) {
      const { checkValues } = await injectBy(beside, transport);
      said.push(`${transport} ${checkValues.join(', ')}`);
    }
    return `check values in token vault and phone: ${said.join('; ')}`;
  } finally {
    await beside.stop();
  }
}

const onToken: DemoStep = {
  name: 'keys come from a PKCS #11 token',
  run: async (world) => {
    const module = softHsmModule();
    return module === null ? 'left out: SoftHSM 2 is not installed here' : injectFromToken(world, module);
  },
};

/** The same, from a vault that keeps its keys on a token. */
export const TOKEN_STEPS: readonly DemoStep[] = [onToken];
