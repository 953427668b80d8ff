/** The service's time. A phone's clock is never asked. */
export interface Clock {
  now(): Date;
}

/** The instant that lies `seconds` after `from`. */
export function secondsAfter(from: Date, seconds: number): Date {
  return new Date(from.getTime() + seconds * 1000);
}

/** The earlier of two instants. */
export function earlier(a: Date, b: Date): Date {
  return a.getTime() < b.getTime() ? a : b;
}
