import { generate, writeGenerated } from './generated.ts';
import { ROOT } from './root.ts';

if (process.argv.includes('--help')) {
  process.stdout.write(
    'Usage: npm run generate\n\nWrites src/gen/ from proto/, docs/reasons.md from src/reasons/, docs/policy.schema.json\nand docs/policy-members.md from the policy.\n',
  );
} else {
  const files = await generate(ROOT);
  const written = await writeGenerated(ROOT, files);
  for (const path of written) process.stdout.write(`${path}\n`);
  process.stdout.write(`${files.size} generated files, ${written.length} of them written\n`);
}
