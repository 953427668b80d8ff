// Jest transform: the same erasure of types that Node itself applies, so tests run the code that production runs.
import { stripTypeScriptTypes } from 'node:module';

export default {
  process: (source, path) => ({ code: path.endsWith('.ts') ? stripTypeScriptTypes(source) : source }),
};
