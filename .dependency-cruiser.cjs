// The layers of src/. Arrows point inward: cli, app, server, console, jobs -> domain -> encoding, reasons.
const DOMAIN = [
  'devices',
  'attestation',
  'tokens',
  'injection',
  'sessions',
  'pin',
  'gate',
  'emv',
  'policy',
  'audit',
  'keys',
];
// What every room may build on: values and ports, without effects.
const KERNEL = ['encoding', 'reasons', 'ports', 'x509'];

const rooms = (names) => `^src/(${names.join('|')})/`;
const npm = (names) => `node_modules/(${names.map((name) => name.replaceAll('/', '\\/')).join('|')})/`;

/** Node's modules that compute; everything else of Node reaches the world outside the process. */
const PURE_NODE = ['crypto', 'buffer', 'util', 'assert'];

/** Google's integrity tokens are a JWE around a JWS. */
const INTEGRITY_TOKEN = '^src/attestation/play-integrity/classic-token\\.ts$';

/** The command that computes and explains with test keys. */
const KEY_TOOL = '^src/cli/tool/';

/** How a client reaches a listener and reads its refusals. */
const VERIFIERS_CHANNEL = '^src/wire/(call|channel|status)\\.ts$';

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      comment: 'An import that leads nowhere hides what it would break.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-undeclared-packages',
      comment: 'What runs is declared in package.json.',
      severity: 'error',
      from: { path: '^src/', pathNot: rooms(['checks']) },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'kernel-stands-alone',
      comment: 'The kernel knows no room.',
      severity: 'error',
      from: { path: rooms(KERNEL) },
      to: { path: '^src/', pathNot: rooms(KERNEL) },
    },
    {
      name: 'reasons-import-nothing',
      comment: 'The catalogue is data.',
      severity: 'error',
      from: { path: rooms(['reasons']) },
      to: { pathNot: rooms(['reasons']) },
    },
    {
      name: 'domain-points-inward',
      comment: 'Domain rooms import domain rooms and the kernel; the rest reaches them through ports.',
      severity: 'error',
      from: { path: rooms(DOMAIN) },
      to: { path: '^src/', pathNot: rooms([...DOMAIN, ...KERNEL]) },
    },
    {
      name: 'domain-is-pure',
      comment: 'No network, files, processes, clock or environment in the domain or the kernel.',
      severity: 'error',
      from: { path: rooms([...DOMAIN, ...KERNEL]), pathNot: rooms(['x509']) },
      to: { dependencyTypes: ['core'], pathNot: `^(node:)?(${PURE_NODE.join('|')})$` },
    },
    {
      name: 'x509-is-pure',
      comment: 'node:net for the form of IP addresses in subject alternative names.',
      severity: 'error',
      from: { path: rooms(['x509']) },
      to: { dependencyTypes: ['core'], pathNot: `^(node:)?(${[...PURE_NODE, 'net'].join('|')})$` },
    },
    {
      name: 'domain-knows-zod-only',
      comment: 'No gRPC, SQL, Redis or logger in the domain; jose is for tokens, node-forge for x509.',
      severity: 'error',
      from: { path: rooms([...DOMAIN, ...KERNEL]), pathNot: [rooms(['tokens', 'x509']), INTEGRITY_TOKEN] },
      to: { path: 'node_modules/', pathNot: npm(['zod']) },
    },
    {
      name: 'tokens-know-jose-and-zod-only',
      severity: 'error',
      from: { path: [rooms(['tokens']), INTEGRITY_TOKEN] },
      to: { path: 'node_modules/', pathNot: npm(['zod', 'jose']) },
    },
    {
      name: 'x509-knows-forge-only',
      severity: 'error',
      from: { path: rooms(['x509']) },
      to: { path: 'node_modules/', pathNot: npm(['node-forge', '@types/node-forge']) },
    },
    {
      name: 'policy-stands-alone',
      comment: 'Each room owns its part of the policy schema; policy resolves versions and scopes of any of them.',
      severity: 'error',
      from: { path: rooms(['policy']) },
      to: { path: rooms(DOMAIN), pathNot: rooms(['policy']) },
    },
    {
      name: 'payment-crypto-is-the-vaults',
      comment:
        'Key bytes are handled in the vault, as the phone does in the virtual phone, and test keys by one command.',
      severity: 'error',
      from: { path: '^src/', pathNot: [rooms(['payment-crypto', 'vault', 'virtual', 'conformance']), KEY_TOOL] },
      to: { path: rooms(['payment-crypto']) },
    },
    {
      name: 'payment-crypto-stands-alone',
      comment: 'Pure primitives over node:crypto.',
      severity: 'error',
      from: { path: rooms(['payment-crypto']) },
      to: { path: '^src/|node_modules/', pathNot: rooms(['payment-crypto', 'encoding', 'reasons', 'ports']) },
    },
    {
      name: 'payment-crypto-is-pure',
      severity: 'error',
      from: { path: rooms(['payment-crypto']) },
      to: { dependencyTypes: ['core'], pathNot: `^(node:)?(${PURE_NODE.join('|')})$` },
    },
    {
      name: 'verifier-is-small',
      comment: 'Processing imports it: it brings tokens, the messages and its channel, and nothing of the service.',
      severity: 'error',
      from: { path: rooms(['verifier']) },
      to: { path: '^src/', pathNot: [rooms(['verifier', 'tokens', 'gen', ...KERNEL]), VERIFIERS_CHANNEL] },
    },
    {
      name: 'nothing-imports-the-outside',
      comment: 'cli and app are where everything is wired together.',
      severity: 'error',
      from: { path: '^src/', pathNot: rooms(['cli', 'app']) },
      to: { path: rooms(['cli', 'app']) },
    },
    {
      name: 'server-points-inward',
      comment: 'The edge translates between protos and domain; stores and vault reach it through ports.',
      severity: 'error',
      from: { path: rooms(['server', 'console', 'jobs']) },
      to: { path: rooms(['store', 'vault', 'virtual', 'conformance', 'checks', 'bootstrap']) },
    },
    {
      name: 'store-implements-ports',
      comment: 'The store knows the domain that it keeps and its signed bytes, and nothing of edge, vault or wiring.',
      severity: 'error',
      from: { path: rooms(['store']) },
      to: { path: '^src/', pathNot: rooms(['store', 'wire', ...DOMAIN, ...KERNEL]) },
    },
    {
      name: 'vault-implements-ports',
      comment: 'The vault checks for itself; it takes nothing from edge or store.',
      severity: 'error',
      from: { path: rooms(['vault']) },
      to: { path: rooms(['server', 'console', 'jobs', 'store', 'virtual', 'conformance', 'checks', 'bootstrap']) },
    },
    {
      name: 'app-chooses-the-store',
      comment: 'Only the wiring knows which store there is; the command line has no path to the database.',
      severity: 'error',
      from: { path: '^src/', pathNot: rooms(['app', 'store']) },
      to: { path: rooms(['store']) },
    },
    {
      name: 'app-chooses-the-vault',
      comment: "Only the wiring knows which vault there is; its ceremonies are the command line's at its own console.",
      severity: 'error',
      from: { path: '^src/', pathNot: [rooms(['app', 'vault']), '^src/cli/commands/vault[a-z0-9-]*\\.ts$'] },
      to: { path: rooms(['vault']) },
    },
    {
      name: 'virtual-stays-outside',
      comment: 'Virtual phones speak the wire contract as real ones do.',
      severity: 'error',
      from: { path: rooms(['virtual']) },
      to: { path: rooms(['server', 'console', 'jobs', 'store', 'vault', 'conformance', 'checks', 'bootstrap']) },
    },
    {
      name: 'tools-stay-outside',
      comment: "The repository's own tools are not part of the service.",
      severity: 'error',
      from: { path: '^src/', pathNot: rooms(['checks', 'bootstrap']) },
      to: { path: rooms(['checks', 'bootstrap']) },
    },
    {
      name: 'tests-stay-outside',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
    skipAnalysisNotInRules: true,
  },
};
