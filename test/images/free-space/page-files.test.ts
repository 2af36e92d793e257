import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { filesOf, noise, run, type VolumeKind, volumeKinds } from "./made-volumes.ts";
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
    writeFileSync(join(folder, "PageFile.sys"), noise("page", 24 << 20));
    writeFileSync(join(folder, "hiberfil.sys"), noise("memory", 12 << 20));
    writeFileSync(join(folder, "swapfile.sys"), "short");
    // Then it grows when only holes between others are left: more places than one record of the file table can list.
    for (let number = 0; number < 1600; number += 1) writeFileSync(join(folder, `other ${number}`), noise("o", 16_384));
    const { bavail, bsize } = statfsSync(folder);
    writeFileSync(join(folder, "filler"), Buffer.alloc((bavail - 100) * bsize, 1));
    for (let number = 0; number < 1600; number += 2) rmSync(join(folder, `other ${number}`));
    for (let part = 0; part < 10; part += 1) appendFileSync(join(folder, "PageFile.sys"), noise(`${part}`, 1 << 20));
    truncateSync(join(folder, "filler"), 0);
  });
  assert.match(run("ntfsinfo", "-F", "PageFile.sys", image), /ATTRIBUTE_LIST/);
  const all = await restoreUsedOnly(image, `${image}.all`, { dirty: "refuse" });
  const restored = `${image}.restored`;
  const skipped = await restoreUsedOnly(image, restored, { dirty: "refuse", skipPageFiles: true });
  const savedBytes = all.storedBytes - skipped.storedBytes;
  assert(savedBytes > 30 << 20, `${savedBytes} bytes less`);
  kind.check(restored);
  const before = filesOf(kind, image);
  const after = filesOf(kind, restored);
  assert.deepEqual(Object.keys(after).sort(), Object.keys(before).sort());
  const changed = Object.keys(before).filter((name) => before[name] !== after[name]);
  assert.deepEqual(changed.map((name) => name.toLowerCase()).sort(), ["/hiberfil.sys", "/pagefile.sys"]);
  assert(changed.every((name) => pageFiles.includes(name.toLowerCase())));
});
