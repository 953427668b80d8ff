import { z } from 'zod';
import type { VirtualPhone } from '../phone/phone.ts';
import { type Target, TargetLacks } from '../world/target.ts';

/** Kinds of phones that are wrong by Google Play's word alone. */
const BY_PLAY = /^play-/;

const playSchema = z.object({ playIntegrity: z.object({ mode: z.string() }) });

/**
 * A phone of a hostile kind, not yet enrolled. Throws TargetLacks where Google Play's word is all that speaks against it, and
 * the policy in force does not ask for that.
 */
export async function phoneOfKind(target: Target, kind: string): Promise<VirtualPhone> {
  if (BY_PLAY.test(kind)) {
    const { document } = await target.security((team) => team.policy());
    const { mode } = playSchema.parse(JSON.parse(document)).playIntegrity;
    if (mode !== 'required') throw new TargetLacks(`a policy with playIntegrity.mode: required (it is ${mode})`);
  }
  return target.phone(kind);
}
