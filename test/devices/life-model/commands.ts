import { expect } from '@jest/globals';
import type { DeviceStatus } from '../../../src/devices/device.ts';
import type { Evidence } from '../../../src/gen/tapgate/v1/attestation_service.ts';
import type { VirtualPhone } from '../../../src/virtual/phone/phone.ts';
import { callUnary, type UnaryCall } from '../../../src/wire/call.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { type Known, voidTokens } from './invariants.ts';
import { lostAt, type ModelDevice, type ModelInvite, ModelPhone, type Step } from './model.ts';
import { ACQUIRER } from './replica.ts';
import type { LifeSetting, Which } from './setting.ts';

const CALL_WITHIN = 10_000;
const MERCHANT = 'shop-1';
const KEPT_TOKENS = 3;

/** From where each change is made, or was made before. */
const MAY_CHANGE: Readonly<Record<'suspend' | 'resume' | 'revoke' | 'forget', readonly DeviceStatus[]>> = {
  suspend: ['active', 'suspended'],
  resume: ['suspended'],
  revoke: ['active', 'suspended', 'revoked'],
  forget: ['revoked'],
};

/** `done`, or the reason of the refusal. */
async function call<Request>(method: UnaryCall<Request, unknown>, request: Request): Promise<string> {
  try {
    await callUnary(method, request, CALL_WITHIN);
    return 'done';
  } catch (error) {
    const reason = refusalFromError(error)?.reasons[0];
    if (reason === undefined) throw error;
    return reason;
  }
}

/** What people and phones do, each with what has to come of it. */
export class LifeCommands {
  readonly setting: LifeSetting;
  readonly known: Known;
  /** Every way in which an exchange of a phone has ended. */
  readonly outcomes = new Set<string>();

  constructor(setting: LifeSetting, known: Known) {
    this.setting = setting;
    this.known = known;
  }

  /** A whole number below `bound`. */
  pick(bound: number): number {
    return this.setting.choices.bytes(4).readUInt32BE() % bound;
  }

  any<T>(list: readonly T[]): T | null {
    return list.length === 0 ? null : (list[this.pick(list.length)] ?? null);
  }

  get which(): Which {
    return this.pick(2) === 0 ? 0 : 1;
  }

  isListed(phone: ModelPhone): boolean {
    return phone.serial !== null && this.setting.listed.has(phone.serial);
  }

  /** The device that the phone knows as its own. */
  deviceOf(phone: ModelPhone): ModelDevice | null {
    return phone.deviceId === null ? null : (this.known.devices.get(phone.deviceId) ?? null);
  }

  /** A new phone in somebody's hand. */
  buyPhone(): ModelPhone {
    const phone = new ModelPhone(this.setting, this.known.phones.length + 1);
    this.known.phones.push(phone);
    return phone;
  }

  async invite(replaces: ModelDevice | null, validForSeconds = 3600): Promise<ModelInvite | null> {
    const { invites } = this.setting.replica(this.which);
    const request = { acquirer: ACQUIRER, merchant: MERCHANT, validForSeconds, replacesDeviceId: replaces?.id ?? '' };
    if (replaces?.status === 'revoked') {
      expect(await call(invites.createInvite.bind(invites), request)).toBe('DEVICE_REVOKED');
      return null;
    }
    const { inviteId: id, code, expiresAt } = await callUnary(invites.createInvite.bind(invites), request, CALL_WITHIN);
    if (expiresAt === undefined) throw new Error('an invite without end');
    const invite: ModelInvite = { id, code, expiresAt, replaces, withdrawn: false, deviceId: null };
    this.known.invites.set(id, invite);
    return invite;
  }

  async withdraw(invite: ModelInvite): Promise<void> {
    const { invites } = this.setting.replica(this.which);
    const outcome = await call(invites.withdrawInvite.bind(invites), { inviteId: invite.id });
    // One that was used while nobody heard of it is found by the next observation.
    if (outcome === 'done') invite.withdrawn = true;
    expect(['done', 'INVITE_USED']).toContain(outcome);
    if (invite.deviceId !== null) expect(outcome).toBe('INVITE_USED');
  }

  /** What has to come of an enrolment, as far as no other exchange is under way. */
  #enrolment(phone: ModelPhone, invite: ModelInvite): string {
    const used = invite.deviceId === null ? null : (this.known.devices.get(invite.deviceId) ?? null);
    if (used !== null) {
      return used.key === phone.key ? this.renewal(phone, used) : 'INVITE_INVALID';
    }
    if (invite.withdrawn || this.#isExpired(invite)) return 'INVITE_INVALID';
    if (this.isListed(phone)) return 'ATTESTATION_REFUSED';
    const replaced = [...this.known.invites.values()].some(
      (other) => other.deviceId !== null && other.replaces !== null && other.replaces === invite.replaces,
    );
    if (replaced) return 'INVITE_INVALID';
    const others = [...this.known.devices.values()].filter(
      (device) => device.owner === phone && device !== invite.replaces && device.status !== 'revoked',
    );
    return phone.serial === null && others.length > 0 ? 'ATTESTATION_REFUSED' : 'given';
  }

  #isExpired({ expiresAt }: ModelInvite): boolean {
    const left = expiresAt.getTime() - this.setting.clock.now().getTime();
    // Of two clocks that disagree one would take it and the other one not.
    if (left > 0 && left <= 1000) this.setting.clock.advance(1000);
    return left <= 1000;
  }

  /** What has to come of a renewal. */
  renewal(phone: ModelPhone, device: ModelDevice): string {
    if (device.status !== 'active') return device.status === 'suspended' ? 'DEVICE_SUSPENDED' : 'DEVICE_REVOKED';
    return this.isListed(phone) ? 'ATTESTATION_REFUSED' : 'given';
  }

  /** Keeps the token that the phone was given; its device is one that may have one. */
  given(phone: ModelPhone): void {
    const id = phone.deviceId ?? '';
    const device = this.known.devices.get(id) ?? {
      id,
      owner: phone,
      key: phone.key,
      status: 'active' as const,
      tokens: [],
    };
    this.known.devices.set(id, device);
    const token = phone.phone.memory.session?.token ?? '';
    device.tokens = [...device.tokens, { token, isVoid: false }].slice(-KEPT_TOKENS);
  }

  async #exchange(...[phone, ...how]: [ModelPhone, ...Parameters<ModelPhone['exchange']>]): Promise<string> {
    const outcome = await phone.exchange(...how);
    this.outcomes.add(outcome);
    return outcome;
  }

  async enrol(phone: ModelPhone, invite: ModelInvite, loss: Step | null = null): Promise<void> {
    phone.which = this.which;
    const expected = this.#enrolment(phone, invite);
    const outcome = await this.#exchange(phone, (app) => app.attest(invite.code), loss && lostAt(loss));
    expect([phone.name, 'enrols', outcome === 'lost' ? expected : outcome]).toEqual([phone.name, 'enrols', expected]);
    if (outcome === 'given') this.given(phone);
  }

  async renew(phone: ModelPhone, device: ModelDevice, loss: Step | null = null): Promise<void> {
    phone.which = this.which;
    const expected = this.renewal(phone, device);
    const outcome = await this.#exchange(phone, (app) => app.attest(null), loss && lostAt(loss));
    expect([phone.name, 'renews', outcome === 'lost' ? expected : outcome]).toEqual([phone.name, 'renews', expected]);
    if (outcome === 'given') this.given(phone);
  }

  /** The app is ended and comes back: it resumes, or attests where it has to. */
  async comeBack(phone: ModelPhone, device: ModelDevice, loss: Step | null = null): Promise<void> {
    phone.which = this.which;
    phone.phone.endProcess();
    const expected = this.renewal(phone, device);
    const outcome = await this.#exchange(phone, (app) => app.resume(), loss && lostAt(loss));
    expect([phone.name, 'resumes', outcome === 'lost' ? expected : outcome]).toEqual([phone.name, 'resumes', expected]);
    if (outcome === 'given') this.given(phone);
  }

  /** Evidence of one exchange arrives a second time. */
  async duplicate(phone: ModelPhone, device: ModelDevice): Promise<void> {
    if (this.renewal(phone, device) !== 'given') return;
    let recorded: Evidence | null = null;
    const record = (app: VirtualPhone) =>
      app.attest(null, {
        evidence: (evidence) => {
          recorded = evidence;
          return evidence;
        },
      });
    expect(await this.#exchange(phone, record)).toBe('given');
    this.given(phone);
    phone.which = this.which;
    const again = (app: VirtualPhone) => app.attest(null, { evidence: (evidence) => recorded ?? evidence });
    expect(await this.#exchange(phone, again)).toBe('CHALLENGE_MISMATCH');
  }

  async stand(device: ModelDevice, change: keyof typeof MAY_CHANGE): Promise<void> {
    const { devices } = this.setting.replica(this.which);
    const request = { deviceId: device.id, cause: 'the model' };
    const before = device.status;
    const outcome = await {
      suspend: () => call(devices.suspendDevice.bind(devices), request),
      resume: () => call(devices.resumeDevice.bind(devices), request),
      revoke: () => call(devices.revokeDevice.bind(devices), request),
      forget: () => call(devices.forgetDevice.bind(devices), { deviceId: device.id }),
    }[change]();
    if (outcome === 'done') this.#stood(device, change);
    expect([change, before, outcome === 'done']).toEqual([change, before, MAY_CHANGE[change].includes(before)]);
  }

  #stood(device: ModelDevice, change: keyof typeof MAY_CHANGE): void {
    if (change === 'resume') device.status = 'active';
    if (change === 'suspend') device.status = 'suspended';
    if (change === 'revoke') device.status = 'revoked';
    if (change === 'suspend' || change === 'revoke') voidTokens(device);
  }

  /** A phone and the security team at the same moment, at two replicas. */
  async renewWhileSuspended(phone: ModelPhone, device: ModelDevice): Promise<void> {
    phone.which = this.which;
    const came = this.pick(2) === 0 ? (app: VirtualPhone) => app.attest(null) : (app: VirtualPhone) => app.resume();
    const expected = this.renewal(phone, device);
    if (device.status === 'revoked') return this.comeBack(phone, device);
    let suspended: Promise<void> | null = null;
    // As late as it can be: where the service has the evidence and has not yet written.
    const suspend = async (afterMilliseconds: number): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, afterMilliseconds));
      await this.stand(device, 'suspend');
    };
    const delay = this.pick(8);
    const happen = (): void => {
      suspended ??= suspend(delay);
    };
    const at = this.any(['challenge', 'evidence', 'evidence'] as const) ?? 'evidence';
    const outcome = await this.#exchange(phone, came, { at, happen });
    await (suspended ?? this.stand(device, 'suspend'));
    expect([expected, 'DEVICE_SUSPENDED', 'SESSION_UNKNOWN']).toContain(outcome);
    // Whichever came first: the token was issued before the suspension was in force.
    if (outcome === 'given') this.given(phone);
    voidTokens(device);
  }

  /** Two phones at the same moment, at two replicas, with one invite or with two that replace one device. */
  async enrolTwice(
    phones: readonly [ModelPhone, ModelPhone],
    invites: readonly [ModelInvite, ModelInvite],
  ): Promise<void> {
    const each = [0, 1] as const;
    const expected = each.map((which) => this.#enrolment(phones[which], invites[which]));
    const outcomes = await Promise.all(
      each.map((which) => {
        phones[which].which = which;
        return this.#exchange(phones[which], (app) => app.attest(invites[which].code));
      }),
    );
    const winners = phones.filter((_, index) => outcomes[index] === 'given');
    if (expected.includes('given')) expect(winners).toHaveLength(1);
    for (const winner of winners) this.given(winner);
  }

  /** Somebody gets a certificate listed; every phone is appraised again. */
  async list(phone: ModelPhone): Promise<void> {
    if (phone.serial === null) return;
    this.setting.listed.set(phone.serial.replace(/^0+/, ''), { status: 'REVOKED', reason: 'KEY_COMPROMISE' });
    await this.reappraise();
  }

  /** All active devices are appraised again, to the end, at whichever replica. */
  async reappraise(): Promise<void> {
    const { devices } = this.setting.replica(this.which);
    for await (const _ of devices.reappraiseDevices({})) void _;
    for (const device of this.known.devices.values()) {
      if (device.status === 'active' && this.isListed(device.owner)) voidTokens(device);
    }
  }

  /** What the service itself says of a token, at whichever replica: by SQL, at once. */
  async introspect(phone: ModelPhone, device: ModelDevice): Promise<void> {
    const last = device.tokens.at(-1);
    if (last === undefined || phone.phone.memory.session?.token !== last.token) return;
    const { tokens } = this.setting.replica(this.which);
    const { active } = await callUnary(tokens.introspect.bind(tokens), { deviceToken: last.token }, CALL_WITHIN);
    if (last.isVoid) expect([device.id, 'introspected', active]).toEqual([device.id, 'introspected', false]);
  }
}
