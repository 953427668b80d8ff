import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../app/config.ts';
import type { DataFolder } from '../app/data-folder.ts';
import { systemClock } from '../app/system.ts';
import { createVirtualFactory, loadVirtualFactory, type VirtualFactory } from '../virtual/keymint/factory.ts';

/** Files of the factory of virtual phones. */
interface FactoryFiles {
  readonly folder: string;
  readonly certificate: string;
  readonly key: string;
}

function filesOf(folder: DataFolder): FactoryFiles {
  const base = join(folder.root, 'virtual-factory');
  return { folder: base, certificate: join(base, 'root.crt'), key: join(base, 'root.key') };
}

/** The root of virtual phones as a trust anchor, made where it is missing. */
export async function virtualAnchor(folder: DataFolder): Promise<{ readonly name: string; readonly file: string }> {
  const files = filesOf(folder);
  try {
    await readFile(files.certificate);
  } catch {
    const stored = createVirtualFactory(systemClock).store();
    await folder.make();
    await mkdir(files.folder, { recursive: true, mode: 0o700 });
    await writeFile(files.key, stored.key, { mode: 0o600 });
    await writeFile(files.certificate, stored.certificate);
  }
  return { name: 'virtual-factory', file: files.certificate };
}

/** The factory of virtual phones that the service on this folder trusts. Throws ConfigError where there is none. */
export async function openVirtualFactory(folder: DataFolder): Promise<VirtualFactory> {
  const files = filesOf(folder);
  try {
    const [key, certificate] = await Promise.all([readFile(files.key, 'utf8'), readFile(files.certificate, 'utf8')]);
    const factory = loadVirtualFactory({ key, certificate }, systemClock);
    if (factory.ok) return factory.value;
  } catch {
    // Told below, as for a factory that does not load.
  }
  throw new ConfigError(
    `No factory of virtual phones on ${folder.root}. Start the service with: tapgate serve --trust-virtual-phones`,
  );
}
