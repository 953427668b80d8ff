/** What is wrong with a log. */
export type FindingCode =
  | 'ENTRY_CHANGED'
  | 'ENTRY_REMOVED'
  | 'ENTRY_REORDERED'
  | 'CHAIN_BROKEN'
  | 'HISTORY_REWRITTEN'
  | 'ROW_CHANGED'
  | 'ROW_REMOVED'
  | 'ROW_NOT_CHAINED'
  | 'TAIL_TRUNCATED'
  | 'CHECKPOINT_FORGED'
  | 'CHECKPOINT_MALFORMED'
  | 'CHECKPOINT_REMOVED'
  | 'CHECKPOINT_REPLACED'
  | 'CHECKPOINT_INCONSISTENT'
  | 'LOG_REPLACED'
  | 'LOG_TAKEN_UP'
  | 'CHAINED_LATE'
  | 'KEY_NOT_ENDORSED'
  | 'RECEIPT_FORGED'
  | 'DECISION_MISSING'
  | 'DECISION_CHANGED'
  | 'EXPORT_TRUNCATED';

/** What each finding says, for people. */
export const FINDINGS: Readonly<Record<FindingCode, string>> = {
  ENTRY_CHANGED: 'an entry is not the one that was chained',
  ENTRY_REMOVED: 'entries are missing within a chain',
  ENTRY_REORDERED: 'entries stand in another order than they were chained in',
  CHAIN_BROKEN: 'from here on the entries do not follow each other: changed, removed or replaced',
  HISTORY_REWRITTEN: 'the chain is whole, but not the one that was signed: it was made anew',
  ROW_CHANGED: 'a row is not what it was when it was chained',
  ROW_REMOVED: 'a row that was chained is gone',
  ROW_NOT_CHAINED: 'a row says that it is chained, and no entry stands for it',
  TAIL_TRUNCATED: 'the end of the log is missing',
  CHECKPOINT_FORGED: 'a checkpoint is not signed by an audit key that is trusted here',
  CHECKPOINT_MALFORMED: 'a checkpoint cannot be read',
  CHECKPOINT_REMOVED: 'a checkpoint is missing',
  CHECKPOINT_REPLACED: 'a checkpoint does not follow the one before it',
  CHECKPOINT_INCONSISTENT: 'a checkpoint contradicts the ones before it',
  LOG_REPLACED: 'another checkpoint of this number is known outside of the log',
  LOG_TAKEN_UP: 'the log does not go on from what the vault had signed last: people had it go on from here',
  CHAINED_LATE: 'rows were chained long after they were written',
  KEY_NOT_ENDORSED: 'a published key is endorsed by no anchor that is given, and not named',
  RECEIPT_FORGED: 'a receipt is signed by no published key that counts here',
  DECISION_MISSING: 'a receipt was given for a decision that the log does not have',
  DECISION_CHANGED: 'the decision in the log has another receipt than the one that was given',
  EXPORT_TRUNCATED: 'the export does not reach its own end',
};

/** One thing that is wrong, and where. */
export interface Finding {
  readonly code: FindingCode;
  /** Where: a writer and sequence, a row, or a checkpoint's number. */
  readonly where: string;
  readonly detail?: string;
}
