/** Which module imports which, by paths: as they were seen while modules were loaded. */
export class ImportGraph {
  readonly #imported = new Map<string, Set<string>>();

  add(importer: string, imported: string): void {
    const known = this.#imported.get(importer);
    if (known === undefined) this.#imported.set(importer, new Set([imported]));
    else known.add(imported);
  }

  /** Import steps from a module to each one that it reaches, itself at 0. */
  distancesFrom(module: string): ReadonlyMap<string, number> {
    const distances = new Map([[module, 0]]);
    // A Map is walked in the order of insertion, entries included that are added on the way.
    for (const [reached, distance] of distances) {
      for (const next of this.#imported.get(reached) ?? []) {
        if (!distances.has(next)) distances.set(next, distance + 1);
      }
    }
    return distances;
  }
}

/** By module: test files that reach it, the one of the fewest import steps first, among equals the one that stands first. */
export function nearestFiles(graph: ImportGraph, testFiles: readonly string[]): Record<string, string[]> {
  const reaching = new Map<string, { file: string; distance: number }[]>();
  for (const file of testFiles) {
    for (const [module, distance] of graph.distancesFrom(file)) {
      const known = reaching.get(module);
      if (known === undefined) reaching.set(module, [{ file, distance }]);
      else known.push({ file, distance });
    }
  }
  return Object.fromEntries(
    [...reaching].map(([module, files]) => [
      module,
      files.toSorted((a, b) => a.distance - b.distance).map(({ file }) => file),
    ]),
  );
}
