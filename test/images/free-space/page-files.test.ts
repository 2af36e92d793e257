import assert from "node:assert/strict";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { filesOf, noise, type VolumeKind, volumeKinds } from "./made-volumes.ts";
import { restoreUsedOnly } from "./used-only.ts";

const kind: VolumeKind = volumeKinds.find(({ name }) => name.startsWith("NTFS (-c 4096"))!;
const pageFiles = ["/pagefile.sys", "/swapfile.sys", "/hiberfil.sys"];

test("NTFS: page files are left out on request, and nothing else", { skip: kind.skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const image = join(directory, "volume");
  writeFileSync(image, "");
  truncateSync(image, kind.sizeBytes);
  kind.make(image);
  kind.withFolder(image, "write", (folder) => {
    mkdirSync(join(folder, "Users"));
    writeFileSync(join(folder, "Users", "pagefile.sys"), noise("not that one", 3 << 20));
    // In turns with others, so that it is in very many places: more than one record of the file table can list.
    const file = openSync(join(folder, "PageFile.sys"), "w");
    for (let part = 0; part < 600; part += 1) {
      writeSync(file, noise(`page ${part}`, 65_536));
      writeFileSync(join(folder, `other ${part}`), noise(`other ${part}`, 3000));
    }
    closeSync(file);
    writeFileSync(join(folder, "hiberfil.sys"), noise("memory", 12 << 20));
    writeFileSync(join(folder, "swapfile.sys"), "short");
  });
  const all = await restoreUsedOnly(image, `${image}.all`, { dirty: "refuse" });
  const restored = `${image}.restored`;
  const skipped = await restoreUsedOnly(image, restored, { dirty: "refuse", skipPageFiles: true });
  const savedBytes = all.storedBytes - skipped.storedBytes;
  assert(savedBytes > 20 << 20, `${savedBytes} bytes less`);
  kind.check(restored);
  const before = filesOf(kind, image);
  const after = filesOf(kind, restored);
  assert.deepEqual(Object.keys(after).sort(), Object.keys(before).sort());
  const changed = Object.keys(before).filter((name) => before[name] !== after[name]);
  assert.deepEqual(changed.map((name) => name.toLowerCase()).sort(), ["/hiberfil.sys", "/pagefile.sys"]);
  assert(changed.every((name) => pageFiles.includes(name.toLowerCase())));
});
