import { SYMBOL_BYTES } from "./description.ts";
import { symbolBytesOfMtu } from "./frame-size.ts";
import type { SenderState } from "./sender-words.ts";

/** Without the first canary of a stream of large frames for so long, they do not come through; four come a second. */
const NEVER_HEARD_MS = 3_000;
/** The same when something of it had come: canaries go on while nothing else is sent. */
const HEARD_MS = 5_000;

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

/** The host's side: whether the stream's frames do not come through to it, and it is to say so. */
export function lackFrames(heard: {
  /** The stream's symbols are larger than ordinary ones. */
  readonly isLarge: boolean;
  /** Anything of the stream has come. */
  readonly hasHeard: boolean;
  /** Since something came, or could have come. */
  readonly silentMs: number;
}): boolean {
  return heard.isLarge && heard.silentMs >= (heard.hasHeard ? HEARD_MS : NEVER_HEARD_MS);
}

/** The sender's side: whether a stream may still become one of ordinary frames. Its receivers join it anew then. */
export function mayBecomeOrdinary(
  isLarge: boolean,
  session: { readonly state: SenderState; readonly isOver: boolean },
): boolean {
  // Nothing of its blocks has been sent, or everybody who had any is gone.
  return isLarge && session.state === "open" && !session.isOver;
}
