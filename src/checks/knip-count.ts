/** Reporter for knip: says how many files it processed, so that a run over nothing is noticed. */
export default function reportCount(options: { readonly counters: { readonly processed: number } }): void {
  process.stdout.write(`knip processed ${options.counters.processed} files\n`);
}
