import { describe } from '@jest/globals';
import { acceptanceContract } from './contracts/acceptance.ts';
import type { OpenStores } from './contracts/contract.ts';
import { decisionContract } from './contracts/decisions.ts';
import { deviceContract } from './contracts/devices.ts';
import { grantContract } from './contracts/grants.ts';
import { inviteContract } from './contracts/invites.ts';
import { keySetContract } from './contracts/key-sets.ts';
import { paymentContract } from './contracts/payments.ts';
import { MemoryStores } from './stores.ts';

// What the rooms are tested with honours the contracts that the SQL stores honour.
describe('stores in memory', () => {
  const stores = new MemoryStores();
  const open: OpenStores = () => stores;
  deviceContract(open);
  acceptanceContract(open);
  inviteContract(open);
  keySetContract(open);
  grantContract(open);
  decisionContract(open);
  paymentContract(open);
});
