import type { PolicyScope } from './scope.ts';

/** Whether a version decides, or is only watched beside the one that does. */
export type PolicyMode = 'active' | 'shadow';

/** A document as it is kept, never to be changed. */
export interface StoredDocument {
  readonly version: string;
  /** Canonical JSON: the bytes that the version is the hash of. */
  readonly json: string;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly note: string;
}

/** One entry of the history of activations; a later one of the same scope and mode takes its place. */
export interface Activation {
  readonly number: bigint;
  readonly scope: PolicyScope;
  readonly mode: PolicyMode;
  /** Null: what was assigned to the scope is withdrawn. */
  readonly version: string | null;
  readonly by: string;
  readonly at: Date;
  readonly note: string;
}

/** What is wanted of an activation. */
export interface WantedActivation extends Omit<Activation, 'number'> {
  /** The generation that the change was shown for; null for whatever stands. */
  readonly expectedGeneration: bigint | null;
  /** Seed of a canary, unless one of the same version in the same mode goes on under its own. 16 bytes. */
  readonly seed: Uint8Array;
}

/** An activation that holds, with the canonical JSON of its document. */
export interface HeldActivation extends Activation {
  readonly version: string;
  readonly seed: Uint8Array;
  readonly json: string;
}

/** Everything that holds as of one generation. */
export interface PolicySnapshot {
  readonly generation: bigint;
  readonly held: readonly HeldActivation[];
  /** Members of the groups that something is assigned to. */
  readonly members: readonly { readonly group: string; readonly deviceId: string }[];
}

/** How a change ended. */
export type PolicyChanged =
  | { readonly outcome: 'changed'; readonly generation: bigint }
  /** Another change came first. */
  | { readonly outcome: 'moved-on'; readonly generation: bigint }
  | { readonly outcome: 'no-such-version' }
  | { readonly outcome: 'nothing-assigned' }
  | { readonly outcome: 'limit-reached' };

/** A device group with its size. */
export interface DeviceGroup {
  readonly name: string;
  readonly devices: number;
}

/** How a change of a group ended; `changed`: how many devices came or went. */
export type GroupChanged =
  | { readonly outcome: 'changed'; readonly devices: number; readonly changed: number }
  | { readonly outcome: 'no-such-device'; readonly deviceId: string }
  | { readonly outcome: 'limit-reached' };

/** Versions, activations and device groups, durable. */
export interface PolicyStore {
  /** 0 where nothing was ever activated. */
  generation(): Promise<bigint>;
  snapshot(): Promise<PolicySnapshot>;
  /** Keeps a document; the first to bring a version stays its author. */
  addDocument(document: StoredDocument): Promise<StoredDocument>;
  document(version: string): Promise<StoredDocument | null>;
  /** The newest first. */
  documents(limit: number): Promise<readonly Omit<StoredDocument, 'json'>[]>;
  /** Adds an entry to the history; nothing in it is ever changed. */
  activate(wanted: WantedActivation): Promise<PolicyChanged>;
  /** Makes a document the default where nothing was ever activated; false where something was. */
  seed(document: StoredDocument, seed: Uint8Array): Promise<boolean>;
  /** The newest first. */
  history(limit: number): Promise<readonly Activation[]>;
  /** Active devices that a scope's canary, merchant or group takes in; for a canary an estimate by its share. */
  devicesIn(scope: PolicyScope): Promise<number>;
}

/** One change of a group's members, never to be changed. */
export interface GroupChange {
  /** The generation of what holds for whom that it made; rises. */
  readonly number: bigint;
  readonly change: 'added' | 'removed';
  /** The devices that came or went by it, sorted; none that was there, or was not, before. */
  readonly deviceIds: readonly string[];
  readonly by: string;
  readonly at: Date;
}

/** Device groups, durable. A change of members is a new generation of what holds for whom. */
export interface DeviceGroupStore {
  groups(): Promise<readonly DeviceGroup[]>;
  members(group: string, after: string | null, limit: number): Promise<readonly string[]>;
  addMembers(group: string, deviceIds: readonly string[], by: string, at: Date): Promise<GroupChanged>;
  removeMembers(group: string, deviceIds: readonly string[], by: string, at: Date): Promise<GroupChanged>;
  /** Changes of a group's members, the newest first; those before a number where one is given. */
  changes(group: string, before: bigint | null, limit: number): Promise<readonly GroupChange[]>;
}
