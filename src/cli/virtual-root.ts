import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, ConfigError } from '../app/config.ts';
import type { DataFolder } from '../app/data-folder.ts';
import { playIntegrityConfigSchema } from '../app/play-integrity-config.ts';
import { systemClock } from '../app/system.ts';
import { createVirtualFactory, loadVirtualFactory, type VirtualFactory } from '../virtual/keymint/factory.ts';
import { VIRTUAL_APPLICATION } from '../virtual/keymint/profiles.ts';
import { VIRTUAL_STATUS_LIST } from '../virtual/kinds/leaked-keyboxes.ts';
import { createVirtualPlay, loadVirtualPlay, type VirtualPlay } from '../virtual/play-integrity/play.ts';

/** Where virtual phones come from: their factory, their Google Play, their list of leaked keyboxes. */
export interface VirtualOrigin {
  readonly factory: VirtualFactory;
  readonly play: VirtualPlay;
}

const FILES = {
  certificate: 'root.crt',
  factoryKey: 'root.key',
  play: 'play.json',
  consoleKeys: 'play-console.json',
  statusList: 'status.json',
} as const;

const folderOf = (folder: DataFolder): string => join(folder.root, 'virtual-factory');

async function makeOrigin(base: string): Promise<void> {
  const { key, certificate } = createVirtualFactory(systemClock).store();
  const play = createVirtualPlay();
  const secret = { mode: 0o600 };
  await mkdir(base, { recursive: true, mode: 0o700 });
  await writeFile(join(base, FILES.factoryKey), key, secret);
  await writeFile(join(base, FILES.play), JSON.stringify(play.store()), secret);
  await writeFile(join(base, FILES.consoleKeys), JSON.stringify(play.console), secret);
  await writeFile(join(base, FILES.statusList), JSON.stringify(VIRTUAL_STATUS_LIST, null, 2));
  await writeFile(join(base, FILES.certificate), certificate);
}

/**
 * The configuration of a service that trusts virtual phones too: their root as an anchor, their keys of the Play
 * Console, and their status list where no other is configured. Made where it is missing.
 */
export async function trustingVirtualPhones(config: Config, folder: DataFolder): Promise<Config> {
  const base = folderOf(folder);
  const certificate = join(base, FILES.certificate);
  try {
    await readFile(certificate);
  } catch {
    await folder.make();
    await makeOrigin(base);
  }
  return {
    ...config,
    trustAnchors: [...config.trustAnchors, { name: 'virtual-factory', file: certificate }],
    revocation: config.revocation ?? { source: join(base, FILES.statusList), deadlineMilliseconds: 5_000 },
    playIntegrity: [
      ...config.playIntegrity,
      playIntegrityConfigSchema.parse({
        package: VIRTUAL_APPLICATION.packageName,
        classicKeys: join(base, FILES.consoleKeys),
      }),
    ],
  };
}

/** Where the virtual phones of the service on this folder come from. Throws ConfigError where there is none. */
export async function openVirtualOrigin(folder: DataFolder): Promise<VirtualOrigin> {
  const read = (file: string): Promise<string> => readFile(join(folderOf(folder), file), 'utf8');
  try {
    const [key, certificate, stored] = await Promise.all([
      read(FILES.factoryKey),
      read(FILES.certificate),
      read(FILES.play),
    ]);
    const factory = loadVirtualFactory({ key, certificate }, systemClock);
    const play = loadVirtualPlay(JSON.parse(stored));
    if (factory.ok && play.ok) return { factory: factory.value, play: play.value };
  } catch {
    // Told below, as for files that do not load.
  }
  throw new ConfigError(
    `No factory of virtual phones on ${folder.root}. Start the service with: tapgate serve --trust-virtual-phones`,
  );
}
