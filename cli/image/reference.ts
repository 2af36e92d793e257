import { Fault } from "../../fault.ts";

/** An image as people name it: "lab-debian" is the newest version, "lab-debian:3" the third. */
export type ImageReference = { readonly name: string; readonly version?: number };

/** @throws {Fault} USAGE */
export function imageReference(text: string): ImageReference {
  const reference = parseImageReference(text);
  if (reference !== undefined) return reference;
  throw new Fault("USAGE", {
    what: `"${text}" does not name an image.`,
    why: "An image is its name, or its name, a colon and a version number.",
    fix: 'Write it like "lab-debian" or "lab-debian:3".',
  });
}

/** The same, where the text may be something else: then undefined. */
export function parseImageReference(text: string): ImageReference | undefined {
  const [, name, version] = /^([^:]+)(?::([1-9][0-9]{0,8}))?$/.exec(text) ?? [];
  if (name === undefined) return undefined;
  return version === undefined ? { name } : { name, version: Number(version) };
}
