import { Fault } from "../../fault.ts";
import { type FileSource, openAnyFile } from "../file-source.ts";

const MOST_SEGMENTS = 999;

/**
 * Opens the further segments of a segmented .dmg, which lie beside the first:
 * image.dmg, image.002.dmgpart, image.003.dmgpart …
 *
 * @throws {Fault} UDIF_SEGMENTS
 */
export async function openSegments(path: string, count: number): Promise<FileSource[]> {
  if (count > MOST_SEGMENTS) return [];
  const stem = path.replace(/\.dmg$/i, "");
  const segments: FileSource[] = [];
  try {
    for (let number = 2; number <= count; number += 1)
      segments.push(await openSegment(`${stem}.${String(number).padStart(3, "0")}.dmgpart`, number, count));
    return segments;
  } catch (error) {
    for (const segment of segments) await segment.close();
    throw error;
  }
}

async function openSegment(path: string, number: number, count: number): Promise<FileSource> {
  try {
    return await openAnyFile(path);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(
      "UDIF_SEGMENTS",
      {
        what: `Segment ${number} of ${count} of the .dmg is missing.`,
        why: error.what,
        fix: "Put all segments into one folder, under the names that they were made with.",
      },
      error,
    );
  }
}
