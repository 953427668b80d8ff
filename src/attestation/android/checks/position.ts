import { disagreements } from '../../agreement.ts';
import { attestedRule, fail, PASS, type Rule, skipped } from '../../check.ts';
import { platformOf } from '../platform.ts';

/** A certificate of the chain describes a key. */
const described: Rule = {
  code: 'KEY_DESCRIPTION_PRESENT',
  judge: ({ attested }) => (attested === null ? fail('KEY_DESCRIPTION_MISSING') : PASS),
};

/** Nothing stands below the key that the secure hardware describes: what an attested key signs is its holder's word. */
const nothingBelow = attestedRule('NOTHING_BELOW_ATTESTED_KEY', (_, __, { below }) =>
  below.length === 0 ? PASS : fail('CHAIN_FORGED_EXTENSION', `certificates ${below.join(', ')}`),
);

/** Policy allows chains through an ATTEST_KEY key. */
const attestKeyAllowed: Rule = {
  code: 'ATTEST_KEY_CHAIN_ALLOWED',
  judge: ({ attestKey }, { policy }) => {
    if (attestKey === null) return skipped('not a chain through an ATTEST_KEY key');
    return policy.attestKeyChains ? PASS : fail('ATTEST_KEY_CHAIN_NOT_ALLOWED');
  },
};

/** The hardware made the ATTEST_KEY key itself: with an imported one its holder could certify anything. */
const attestKeyGenerated: Rule = {
  code: 'ATTEST_KEY_GENERATED',
  judge: ({ attestKey }) => {
    if (attestKey === null) return skipped('not a chain through an ATTEST_KEY key');
    const { origin } = attestKey.description.hardwareEnforced;
    return origin === 'GENERATED' ? PASS : fail('KEY_PROPERTIES_NOT_ALLOWED', `origin ${origin ?? 'not stated'}`);
  },
};

/** The ATTEST_KEY key and the key that it certifies are of one phone and one application. */
const attestKeyAgrees = attestedRule('ATTEST_KEY_AGREES', (attested, _, { attestKey }) => {
  if (attestKey === null) return skipped('not a chain through an ATTEST_KEY key');
  const fields = disagreements(platformOf(attestKey), platformOf(attested));
  return fields.length === 0 ? PASS : fail('ATTEST_KEY_DISAGREES', fields.join(', '));
});

/** Rules about which certificate may describe a key. */
export const POSITION_RULES: readonly Rule[] = [
  described,
  nothingBelow,
  attestKeyAllowed,
  attestKeyGenerated,
  attestKeyAgrees,
];
