/** The key set that an intent's keys come from. */
export interface SituationKeySet {
  readonly status: 'offered' | 'active' | 'retired';
  /** 8 bytes. */
  readonly pinInitialKeyId: Buffer;
  readonly expiresAt: Date;
  /** When a newer set took its place; null while none has, and where that is older than the record. */
  readonly retiredAt: Date | null;
}
