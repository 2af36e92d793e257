import assert from "node:assert/strict";
import { test } from "node:test";
import { apfsNote } from "../../../agent/volumes/apfs-note.ts";
import { Volume } from "../../../images/free-space/volume.ts";
import { type MadeVolume, madeContainer } from "../../images/apfs/made-container.ts";
import { MemoryDisk } from "../../images/memory.ts";

const system: MadeVolume = { paths: [], role: 1 };
const job = "Library/LaunchDaemons/org.bootcast.first-boot.plist";

test("of a Mac with APFS it is told who names it, or what to do so that somebody does", async () => {
  const noteOf = (volumes: readonly MadeVolume[]) => {
    const bytes = madeContainer(volumes);
    return apfsNote(new Volume(new MemoryDisk(bytes), 0, bytes.length));
  };
  assert.match(
    await noteOf([system, { paths: [job], role: 0x40 }]),
    /The job in it names this Mac .* and removes itself/,
  );
  const without = await noteOf([system, { paths: ["Library"], role: 0x40 }]);
  assert.match(without, /keeps the names of the master.*image import --first-boot-job.*first-boot-job --out FOLDER/);
  const locked = await noteOf([system, { paths: [job], role: 0x40, isEncrypted: true }]);
  assert.match(locked, /^is left as it is: it is encrypted\..*first-boot-job --out FOLDER/);
  assert.match(await noteOf([{ paths: ["Pictures"] }]), /no macOS is in it/);
});
