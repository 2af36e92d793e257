import { SYMBOL_BYTES } from "./description.ts";
import { symbolBytesOfMtu } from "./frame-size.ts";

/** What who joins says of the symbols that it goes by, and of its card. Older agents say nothing of it. */
export type JoinedFrames = {
  readonly name: string;
  readonly symbolBytes?: number | undefined;
  readonly mtuBytes?: number | undefined;
};

/**
 * Why a stream of large symbols should become one of ordinary frames for who joins, while it can; undefined when it
 * takes these symbols.
 */
export function whyOrdinary(
  { name, symbolBytes = SYMBOL_BYTES, mtuBytes }: JoinedFrames,
  streamSymbolBytes: number,
): string | undefined {
  if (mtuBytes !== undefined && symbolBytesOfMtu(mtuBytes) < streamSymbolBytes) {
    return `the card of ${name} carries ${mtuBytes} bytes`;
  }
  return symbolBytes < streamSymbolBytes ? `${name} goes by smaller ones` : undefined;
}
