/** Where macOS keeps its own version: an XML property list in every release. */
export const SYSTEM_VERSION_PATH = "/System/Library/CoreServices/SystemVersion.plist";

/**
 * ProductVersion out of SystemVersion.plist, "10.4.11". Only this one value is
 * wanted, so it is picked out of the text; the file is never rebuilt.
 *
 * @returns undefined when there is none
 */
export function productVersion(plist: string): string | undefined {
  return /<key>\s*ProductVersion\s*<\/key>\s*<string>\s*(\d{1,3}(?:\.\d{1,3}){0,3})\s*<\/string>/.exec(plist)?.[1];
}
