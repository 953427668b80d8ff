/** A reader with a bug behind four bytes, each of which is a branch of its own. */
export function crash(input: Uint8Array): boolean {
  if (input[0] === 0x54 && input.length > 6) {
    if (input[1] === 0x47) {
      if (input[2] === 0x9f) {
        if (input[input.length - 1] === 0x1d) throw new RangeError('planted crash');
      }
    }
  }
  return input.length > 0;
}

/** Says of some inputs that it has changed them back and forth without loss, and has not. */
export function reverseTwice(input: Uint8Array): Uint8Array {
  const once = Uint8Array.from(input).reverse();
  const again = once.reverse();
  if (again.length > 12 && again[0] === 0x30 && again[1] === again.length - 2) again[4] = 0;
  return again;
}

/** Takes its time where three bytes, each of which is a branch of its own, say so. */
export function slow(input: Uint8Array): boolean {
  if (input[0] === 0x53) {
    if (input[1] === 0x4c && input.length > 3) {
      const until = performance.now() + (input[2] === 0x4f ? 60 : 0);
      while (performance.now() < until);
    }
  }
  return true;
}

/** Never ends for inputs that begin with one byte twice. */
export function endless(input: Uint8Array): boolean {
  let position = 0;
  while (position < input.length) {
    if (position === 1 && input[0] === 0x45 && input[1] === 0x45) position = 0;
    position += 1;
  }
  return true;
}

const kept: number[][] = [];

/** Keeps more and more. */
export function hoard(input: Uint8Array): boolean {
  if (input.length > 8 && input[0] === 0x4d) {
    for (;;) kept.push(new Array<number>(1_000_000).fill(kept.length));
  }
  return true;
}
