/** Serial numbers of the batch certificates of keyboxes that leaked, hex: they stand on the virtual status list. */
export const LEAKED_KEYBOXES = {
  revoked: '7461706761746501',
  suspended: '7461706761746502',
} as const;

/** The status list of the virtual world, in the form of Google's. */
export const VIRTUAL_STATUS_LIST = {
  entries: {
    [LEAKED_KEYBOXES.revoked]: { status: 'REVOKED', reason: 'KEY_COMPROMISE' },
    [LEAKED_KEYBOXES.suspended]: { status: 'SUSPENDED', reason: 'KEY_COMPROMISE' },
  },
} as const;
