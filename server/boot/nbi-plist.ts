import { parsePropertyList } from "../../images/property-list.ts";
import { nbiFault } from "./nbi-values.ts";

/**
 * The value that a bundle's property list holds, in any of its forms.
 *
 * @param folder the bundle's path, for the messages
 * @throws {Fault} NBI_PLIST_INVALID
 */
export function parseNbiPlist(bytes: Uint8Array, folder: string): unknown {
  try {
    return parsePropertyList(bytes);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw nbiFault(
      "NBI_PLIST_INVALID",
      folder,
      `Its NBImageInfo.plist is no property list: ${said.replaceAll(/\s+/g, " ").trim().slice(0, 200)}.`,
      "Write it as an XML property list; plutil -lint checks it on a Mac.",
    );
  }
}
