import type { PropertyEdit } from "./property-list.ts";
import { editBinaryPropertyList } from "./property-list-edit-binary.ts";
import { editXmlPropertyList } from "./property-list-edit-xml.ts";

/**
 * Changes single texts of a property list in the form that it has, XML or binary, and leaves every other byte of it
 * as it is: types that a rebuilt list would lose (a real that is whole, a date's form, a UID) stay, and so do comments.
 * Dictionaries that are missing on the way are made.
 *
 * @throws {Error} that says why it cannot be edited
 */
export function editPropertyList(bytes: Uint8Array, edits: readonly PropertyEdit[]): Uint8Array {
  const isBinary = Buffer.from(bytes.subarray(0, 8)).toString("latin1") === "bplist00";
  const edited = isBinary ? editBinaryPropertyList(bytes, edits) : editXmlPropertyList(bytes, edits);
  // Whoever asks for nothing new gets the very same bytes, to see that nothing would change.
  return Buffer.compare(edited, bytes) === 0 ? bytes : edited;
}
