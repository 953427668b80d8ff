import type { DeviceStatus } from '../../../src/devices/device.ts';
import { honestProfiles, VIRTUAL_APPLICATION } from '../../../src/virtual/keymint/profiles.ts';
import type { DeviceConnection } from '../../../src/virtual/phone/connection.ts';
import { VirtualPhone } from '../../../src/virtual/phone/phone.ts';
import { PhoneRefused } from '../../../src/virtual/phone/refused.ts';
import type { PhoneMoment } from '../../../src/virtual/phone/stream.ts';
import { signingKey } from '../../support/signing-key.ts';
import type { LifeSetting, Which } from './setting.ts';

/** A token that a phone was given, and whether its device was suspended, revoked or examined away since. */
export interface GivenToken {
  readonly token: string;
  isVoid: boolean;
}

/** A device as it has to stand. */
export interface ModelDevice {
  readonly id: string;
  /** The phone that pinned its key. */
  readonly owner: ModelPhone;
  /** SubjectPublicKeyInfo of the key that it pinned, hex. */
  readonly key: string;
  status: DeviceStatus;
  tokens: GivenToken[];
}

/** An invite as it has to stand. */
export interface ModelInvite {
  readonly id: string;
  readonly code: string;
  readonly expiresAt: Date;
  readonly replaces: ModelDevice | null;
  withdrawn: boolean;
  /** The device that was enrolled with it; it never changes again. */
  deviceId: string | null;
}

/** The network swallowed a message. */
class Lost extends Error {}

/** A step of an attestation or a resumption. */
export type Step = 'hello' | 'challenge' | 'evidence' | 'result';

/** What happens at a step of an exchange; the phone does not wait for it. */
export interface Meanwhile {
  readonly at: Step;
  happen(): void;
}

/** The network swallows the message of this step. */
export function lostAt(at: Step): Meanwhile {
  return {
    at,
    happen: () => {
      throw new Lost();
    },
  };
}

const MOMENTS: Readonly<Record<Step, Omit<PhoneMoment, 'exchange'>>> = {
  hello: { direction: 'sent', number: 1 },
  challenge: { direction: 'received', number: 1 },
  evidence: { direction: 'sent', number: 2 },
  result: { direction: 'received', number: 2 },
};

const AGAIN_AFTER = 20;
const ATTEMPTS = 400;

/** A phone that somebody holds in his hand. */
export class ModelPhone {
  readonly name: string;
  readonly phone: VirtualPhone;
  /** Serial number of its batch certificate; null where its key was provisioned remotely, for it alone. */
  readonly serial: string | null;
  /** Every device key that it has made, hex. */
  readonly keys = new Set<string>();
  /** The replica that the load balancer gives it. */
  which: Which = 0;

  constructor(setting: LifeSetting, number: number) {
    const profiles = honestProfiles(setting.clock.now());
    this.serial = number % 2 === 0 ? null : `54${number.toString(16).padStart(14, '0')}`;
    const profile = this.serial === null ? profiles.rkp : { ...profiles.tee, batchSerial: this.serial };
    this.name = `phone ${number}`;
    this.phone = new VirtualPhone({
      connection: this.#balanced(setting),
      keymint: setting.factory.provision(profile),
      application: VIRTUAL_APPLICATION,
      serviceAnchor: signingKey().spki,
      now: () => setting.clock.now(),
      random: setting.random,
    });
  }

  #balanced(setting: LifeSetting): DeviceConnection {
    const here = (): DeviceConnection => setting.replica(this.which).device;
    return {
      get attestation() {
        return here().attestation;
      },
      get injection() {
        return here().injection;
      },
      get session() {
        return here().session;
      },
      get pinEntry() {
        return here().pinEntry;
      },
      close: () => {},
    };
  }

  /** What the app knows of its device; null where it was never told, or was installed anew. */
  get deviceId(): string | null {
    return this.phone.memory.deviceId;
  }

  /** The device key that the app holds now, hex; empty for none. */
  get key(): string {
    return this.phone.memory.deviceKey?.publicKey.toString('hex') ?? '';
  }

  /** The app is installed anew: what it knew is gone. */
  reinstall(): void {
    const { memory } = this.phone;
    memory.deviceId = null;
    memory.deviceKey = null;
    memory.sessionKey = null;
    memory.session = null;
  }

  /**
   * Runs an exchange, and again while the service is unavailable. Answers `given` for a token, `lost` where the network
   * swallowed a message, else the reason of the refusal.
   */
  async exchange(work: (phone: VirtualPhone) => Promise<unknown>, meanwhile: Meanwhile | null = null): Promise<string> {
    const at = meanwhile === null ? null : MOMENTS[meanwhile.at];
    this.phone.memory.probe = async ({ direction, number }) => {
      if (direction === at?.direction && number === at.number) meanwhile?.happen();
    };
    try {
      for (let attempt = 1; ; attempt += 1) {
        const outcome = await this.#outcomeOf(work);
        if (outcome !== 'SERVICE_UNAVAILABLE' || attempt === ATTEMPTS) return outcome;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
      }
    } finally {
      this.phone.memory.probe = async () => {};
    }
  }

  async #outcomeOf(work: (phone: VirtualPhone) => Promise<unknown>): Promise<string> {
    try {
      await work(this.phone);
      return 'given';
    } catch (error) {
      if (error instanceof Lost) return 'lost';
      if (error instanceof PhoneRefused) return error.reasons[0] ?? 'UNKNOWN';
      throw error;
    } finally {
      if (this.key !== '') this.keys.add(this.key);
    }
  }
}
