import type { Received } from "./receive-options.ts";

/** What came of a restore, for people: "nothing lost in 1 pass", "2076 of 36192 packets lost, 2 passes, 9 packs by HTTP". */
export function receivedLine(
  received: Pick<Received, "passes" | "symbolsReceived" | "symbolsLost" | "unicastPacks">,
): string {
  const { symbolsReceived, symbolsLost, unicastPacks } = received;
  const passes = received.passes === 0 ? "" : counted(received.passes, "pass", "passes");
  if (symbolsLost === 0 && unicastPacks === 0) return passes === "" ? "nothing lost" : `nothing lost in ${passes}`;
  const lost = symbolsLost === 0 ? "nothing lost" : `${symbolsLost} of ${symbolsReceived + symbolsLost} packets lost`;
  const fetched = unicastPacks === 0 ? "" : `${counted(unicastPacks, "pack", "packs")} by HTTP`;
  return [lost, passes, fetched].filter((part) => part !== "").join(", ");
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
