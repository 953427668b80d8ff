import type { BenchInstallation } from '../devices/installation.ts';
import type { BareChecks } from './bare-checks.ts';
import type { Clients } from './clients.ts';
import type { IdleServer } from './idle-server.ts';
import type { Probe } from './probe.ts';

/** How many streams, over how many connections, from how many processes. */
export interface Scale {
  readonly connections: number;
  readonly streamsPerConnection: number;
  readonly processes: number;
  /** Transactions that begin in a round. */
  readonly beginnings: number;
  readonly rounds: number;
}

/** What open sessions are measured with. */
export interface SessionSetting {
  readonly installation: BenchInstallation;
  readonly probe: Probe;
  readonly scale: Scale;
  /** Clients with sessions of the service. */
  readonly phones: Clients;
  readonly idleServer: IdleServer;
  /** Clients with idle streams. */
  readonly idle: Clients;
  readonly bare: BareChecks;
  readonly tell: (step: string) => void;
}
