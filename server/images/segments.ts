import { Fault } from "../../fault.ts";
import type { BlockSource } from "../../images/block.ts";

type Segment = BlockSource & { close(): Promise<void> };

const MOST_SEGMENTS = 999;

/**
 * Opens the further segments of a segmented .dmg, which lie beside the first:
 * image.dmg, image.002.dmgpart, image.003.dmgpart …
 *
 * @param open opens one of these names
 * @throws {Fault} UDIF_SEGMENTS
 */
export async function openSegments(
  path: string,
  count: number,
  open: (path: string) => Promise<Segment>,
): Promise<Segment[]> {
  if (count > MOST_SEGMENTS) return [];
  const stem = path.replace(/\.dmg$/i, "");
  const segments: Segment[] = [];
  try {
    for (let number = 2; number <= count; number += 1)
      segments.push(await openSegment(() => open(`${stem}.${String(number).padStart(3, "0")}.dmgpart`), number, count));
    return segments;
  } catch (error) {
    for (const segment of segments) await segment.close();
    throw error;
  }
}

async function openSegment(open: () => Promise<Segment>, number: number, count: number): Promise<Segment> {
  try {
    return await open();
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
