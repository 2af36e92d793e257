import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const folder = join(import.meta.dirname, "../../../shared/testdata");

/**
 * For a test's `skip`: why there are no sample images, or false. They lie in
 * `../shared/testdata` beside the checkout: real images of other programs, some
 * of which may not be published again and so are not part of the project.
 */
export const samplesMissing: string | false = existsSync(folder) ? false : "no sample images in ../shared/testdata";

/** The path of a sample: "dmg/udro-apm-hfsplus.dmg". */
export function samplePath(name: string): string {
  return join(folder, name);
}

export function readSample(name: string): Buffer {
  return readFileSync(samplePath(name));
}
