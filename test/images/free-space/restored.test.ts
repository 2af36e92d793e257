import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { filesOf, hasProgram, makeVolume, volumeKinds } from "./made-volumes.ts";
import { bytesIn, common, freeByPartclone, freeByUs } from "./partclone-oracle.ts";
import { restoreUsedOnly } from "./used-only.ts";

for (const kind of volumeKinds) {
  test(`${kind.name}: restored from used cells only it is clean, with the same files`, {
    skip: kind.skip,
  }, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "bootcast-"));
    t.after(() => rmSync(directory, { recursive: true }));
    const image = join(directory, "volume");
    const restored = join(directory, "restored");
    const keptBytes = kind.sizeBytes / 16;
    const deletedBytes = kind.sizeBytes / 3;
    makeVolume(kind, image, keptBytes, deletedBytes);
    const { unused, readBytes, storedBytes } = await restoreUsedOnly(image, restored, { dirty: "refuse" });
    assert.deepEqual(unused.warnings, []);
    if (kind.partclone !== undefined && hasProgram(kind.partclone)) {
      const ours = await freeByUs(image);
      const theirs = await freeByPartclone(kind.partclone, image);
      const difference = `ours ${bytesIn(ours)}, partclone's ${bytesIn(theirs)}, common ${bytesIn(common(ours, theirs))}`;
      assert.equal(bytesIn(common(ours, theirs)), bytesIn(ours), difference);
      assert(bytesIn(ours) > 0.97 * bytesIn(theirs), difference);
    }
    kind.check(restored);
    assert.deepEqual(filesOf(kind, restored), filesOf(kind, image));
    assert(readBytes < kind.sizeBytes / 2, `${readBytes} of ${kind.sizeBytes} bytes were read`);
    assert(storedBytes < kind.sizeBytes / 5, `${storedBytes} of ${kind.sizeBytes} bytes are stored`);
  });
}
