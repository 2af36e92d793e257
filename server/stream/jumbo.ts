import { SYMBOL_BYTES } from "../../multicast/description.ts";
import { type JumboMode, symbolBytesOf } from "../../multicast/frame-size.ts";
import { readLanInterface } from "./lan-interface.ts";

/** How large the symbols of a stream through the interface with this address are to be at first. */
export async function symbolBytesFor(
  jumbo: JumboMode,
  stream: { readonly interfaceAddress: string; readonly rateBytesPerSecond: number },
): Promise<number> {
  const lan = jumbo === "off" ? undefined : await readLanInterface(stream.interfaceAddress);
  // What stays on this machine is in no frame.
  if (lan === undefined || lan.isLoopback) return SYMBOL_BYTES;
  return symbolBytesOf({ mtuBytes: lan.mtuBytes, rateBytesPerSecond: stream.rateBytesPerSecond });
}
