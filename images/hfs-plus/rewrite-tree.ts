import type { BlockSource, BlockTarget } from "../block.ts";
import type { HfsPlusVolume, TreePlace } from "../free-space/hfs-plus-volume.ts";
import { type BlockRun, expect } from "../free-space/volume.ts";
import { TreeBuilder, TreeFull, type TreeNode, type TreeRecord } from "./tree-builder.ts";

/**
 * Writes one of a volume's trees anew with other records, in the blocks that it
 * has. The records are read from the volume as it was while the new ones are
 * written to `disk`, so the two must not be the same.
 *
 * @throws {Implausible} when the records do not fit
 */
export async function rewriteTree(
  hfs: HfsPlusVolume,
  disk: BlockSource & BlockTarget,
  place: TreePlace,
  records: AsyncIterable<TreeRecord>,
): Promise<void> {
  const shape = await hfs.treeShape(place);
  expect(shape !== undefined, "it has no such tree");
  const { nodeBytes, nodeCount } = shape;
  const runs = await hfs.specialFile(place.forkAt, place.id);
  const used = new Uint8Array(nodeCount);
  const write = async ({ number, bytes }: TreeNode) => {
    used[number] = 1;
    await writeInRuns(hfs, disk, runs, number * nodeBytes, bytes);
  };
  const builder = new TreeBuilder(shape);
  try {
    for await (const record of records) {
      const leaf = builder.add(record);
      if (leaf !== undefined) await write(leaf);
    }
    for (const node of builder.finish()) await write(node);
  } catch (error) {
    if (error instanceof TreeFull) expect(false, "one of its trees has no room left");
    throw error;
  }
  // Free nodes are zero: some volumes promise it, and none should keep names that were removed.
  for (let number = 0; number < nodeCount; number += 1)
    if (used[number] === 0) await writeInRuns(hfs, disk, runs, number * nodeBytes, new Uint8Array(nodeBytes));
}

/** Writes bytes of a file that lies in stretches of blocks. */
export async function writeInRuns(
  { volume, blockBytes }: HfsPlusVolume,
  disk: BlockTarget,
  runs: readonly BlockRun[],
  at: number,
  bytes: Uint8Array,
): Promise<void> {
  let runAt = 0;
  let done = 0;
  for (const { first, count } of runs) {
    const runEnd = runAt + count * blockBytes;
    const from = at + done;
    if (from < runEnd && done < bytes.length) {
      const take = Math.min(bytes.length - done, runEnd - from);
      const place = volume.startBytes + first * blockBytes + from - runAt;
      await disk.write(place, bytes.subarray(done, done + take));
      done += take;
    }
    runAt = runEnd;
  }
  expect(done === bytes.length, "a tree of its is shorter than it says");
}
