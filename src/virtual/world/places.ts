import { z } from 'zod';

const address = z
  .string()
  .regex(/^(\[[0-9A-Fa-f:.]+\]|[^\s:/]+):\d{1,5}$/, 'host:port')
  .describe('host:port');
const file = z.string().min(1).max(4_096);
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'lower-case letters, digits, dots, hyphens, underscores');

const party = {
  name: name.describe('Its name in the client certificate'),
  certificate: file.describe('Client certificate for the processing listener, PEM'),
  key: file,
  processing: z.strictObject({ address, ca: file }).optional().describe('Its running reference processing'),
};

/**
 * What an attacker and a tester know and hold of a server. What is left out takes away the attacks that need it
 * (`NEEDS`). Files are PEM where nothing else is said.
 */
export const targetSchema = z.strictObject({
  issuer: z.string().min(1).max(200).default('https://tapgate.localhost').describe('`iss` of tokens and receipts'),
  device: z
    .strictObject({
      address,
      ca: file.describe("Authority of the listener's certificate"),
      serviceAnchor: file.describe('What ships in the app: service-anchor.pem of the data folder'),
    })
    .describe('The device listener'),
  virtualPhones: file.describe('Folder of the factory that the server trusts: root.key, root.crt, play.json'),
  admin: z
    .strictObject({ address, ca: file, certificate: file, key: file })
    .describe('The admin listener, and a client certificate of the role security'),
  gate: z.strictObject({ address, ca: file }).optional().describe('The processing listener'),
  acquirer: z.strictObject({
    ...party,
    merchant: name.default('courier-7').describe('Whose phones are enrolled'),
    zone: z
      .strictObject({ file, components: z.array(file).min(2).max(9).describe('Components of the zone KEK') })
      .optional()
      .describe('Its zone keys: a reference processing is started with them for the run'),
  }),
  rival: z.strictObject(party).optional().describe('A second acquirer'),
  cards: file.optional().describe("Issuer master key of the virtual cards, as the acquirer's processing has it"),
  ops: address.optional().describe('The ops listener'),
  log: file.optional().describe("The server's log: for reasons that a phone is not told"),
});

/** A checked description of a server to attack. */
export type TargetPlaces = z.infer<typeof targetSchema>;

/** What an attack may need beside phones, and what of a target gives it. */
export const NEEDS = {
  gate: 'gate: the processing listener',
  processing: 'acquirer.processing, or acquirer.zone with gate: a processing to pay at',
  cards: 'cards: the issuer master key of the virtual cards',
  rival: 'rival, with gate: the client certificate of a second acquirer',
} as const;

/** One of them. */
export type Need = keyof typeof NEEDS;

/** What of these needs the target does not give. A processing that can be started counts as given. */
export function lackingOf(places: TargetPlaces, needs: readonly Need[]): readonly Need[] {
  const { gate, acquirer, cards, rival } = places;
  const startable = acquirer.zone !== undefined && gate !== undefined;
  const given: Readonly<Record<Need, boolean>> = {
    gate: gate !== undefined,
    processing: acquirer.processing !== undefined || startable,
    // A processing that is started for the run gets cards of its own.
    cards: cards !== undefined || (acquirer.processing === undefined && startable),
    rival: rival !== undefined && gate !== undefined,
  };
  return needs.filter((need) => !given[need]);
}
