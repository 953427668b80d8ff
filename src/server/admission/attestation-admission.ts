import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Identity } from '../../devices/evidence.ts';
import { inviteCodeHash } from '../../devices/invite.ts';
import { type Around, unwatched } from '../../ports/around.ts';
import type { RateLimit } from '../../ports/rate-limit.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import type { CallContext } from '../transport/context.ts';
import { CallRefused } from '../transport/refused.ts';
import { type AdmissionSubject, overLimit } from './call-admission.ts';
import { limitedAddress } from './peer-address.ts';
import { type AdmissionLimit, type AdmissionPolicy, bucketOf } from './policy.ts';
import type { Turnstile } from './turnstile.ts';

/** What the admission of attestations is made of. */
export interface AttestationAdmissionParts {
  readonly limit: RateLimit;
  readonly policy: () => AdmissionPolicy['attestation'];
  /** Bounds exchanges between hello and result. */
  readonly exchanges: Turnstile;
  /** Bounds appraisals; has room for every exchange to wait. */
  readonly appraisals: Turnstile;
  readonly onRefused: (subject: AdmissionSubject) => void;
  /** Watches each appraisal from its turn on. */
  readonly around?: Around;
}

/** Refusals that say: no such invite, no such device. A guess is dearer than an attempt. */
const WRONG_IDENTITY: ReadonlySet<Reason> = new Set(['INVITE_INVALID', 'DEVICE_UNKNOWN']);

/** Spread of the times at which phones are told to return, as a part of the time itself. */
const SPREAD_FRACTION = 0.2;
const LEAST_SPREAD_MILLISECONDS = 250;

/**
 * Limits on attestation, by address, invite code and device, and the bounds that keep a stampede of phones from the rest
 * of the service: everything before the costly work.
 */
export class AttestationAdmission {
  readonly #parts: AttestationAdmissionParts;

  constructor(parts: AttestationAdmissionParts) {
    this.#parts = parts;
  }

  /**
   * Runs an exchange after its hello. Throws CallRefused: TOO_MANY_REQUESTS over a limit, ATTESTATION_BUSY where too many
   * phones attest, both with their delay; and what the exchange throws. One that is refused for naming no invite or device
   * costs its address more.
   */
  async exchange<T>(
    identity: Identity,
    { peerAddress, signal }: Pick<CallContext, 'peerAddress' | 'signal'>,
    work: () => Promise<T>,
  ): Promise<T> {
    const address = `attest ${limitedAddress(peerAddress)}`;
    await this.#limit(identity, address);
    const leave = await this.#enter(signal);
    try {
      return await work();
    } catch (error) {
      if (error instanceof CallRefused && WRONG_IDENTITY.has(error.reasons[0])) await this.#chargeGuess(address);
      throw error;
    } finally {
      leave();
    }
  }

  /** Runs an appraisal when it is its turn. Calls of others that have come meanwhile are taken first. */
  async appraise<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const entrance = await this.#parts.appraisals.enter(signal);
    if (!entrance.entered) throw new Error('every exchange has room to wait for its appraisal');
    try {
      await nextTurn();
      const { around = unwatched } = this.#parts;
      return await around('appraisal', work);
    } finally {
      entrance.leave();
    }
  }

  /** A device's id is told to its phone alone, so that no stranger can use its attempts up. */
  async #limit(identity: Identity, address: string): Promise<void> {
    const { perAddress, perInvite, perDevice } = this.#parts.policy();
    await this.#take('address', address, perAddress);
    if (identity.kind === 'invite') {
      await this.#take('invite', `invite ${inviteCodeHash(identity.code).toString('hex')}`, perInvite);
    } else {
      await this.#take('device', `device ${identity.deviceId}`, perDevice);
    }
  }

  async #enter(signal: AbortSignal): Promise<() => void> {
    const entrance = await this.#parts.exchanges.enter(signal);
    if (entrance.entered) return entrance.leave;
    this.#parts.onRefused('attestations');
    const minimumMilliseconds = entrance.returnAfterMilliseconds;
    throw new CallRefused(['ATTESTATION_BUSY'], 'exchanges at one time', {
      minimumMilliseconds,
      spreadMilliseconds: Math.max(LEAST_SPREAD_MILLISECONDS, minimumMilliseconds * SPREAD_FRACTION),
    });
  }

  async #chargeGuess(address: string): Promise<void> {
    const { perAddress, wrongIdentityCost } = this.#parts.policy();
    await this.#parts.limit.charge(address, wrongIdentityCost - 1, bucketOf(perAddress));
  }

  async #take(subject: AdmissionSubject, key: string, limit: AdmissionLimit): Promise<void> {
    const taken = await this.#parts.limit.take(key, 1, bucketOf(limit));
    if (taken.allowed) return;
    this.#parts.onRefused(subject);
    throw overLimit(subject, taken.retryAfterMilliseconds);
  }
}
