import { productVersion, SYSTEM_VERSION_PATH } from "./system-version.ts";
import type { VolumeFiles } from "./volume-files.ts";

/** Release of macOS: 10.4.11 is major 10, minor 4; macOS 13.1 is 13 and 1. */
export type MacRelease = { readonly major: number; readonly minor: number };

/** The macOS whose root this volume holds; undefined for every other volume. A version that cannot be read is 0.0. */
export async function macRelease(volume: VolumeFiles): Promise<MacRelease | undefined> {
  const text = await volume.readText(SYSTEM_VERSION_PATH);
  if (text === undefined) return undefined;
  const [major = 0, minor = 0] = (productVersion(text) ?? "").split(".").map(Number);
  return { major, minor };
}

/** Whether `release` is a Mac OS X 10 of one of these, ends included. */
export function isTen(release: MacRelease, first: number, last: number): boolean {
  return release.major === 10 && release.minor >= first && release.minor <= last;
}
