import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { apfsFirstBootJob } from "../../../agent/identity/first-boot-job.ts";
import { complaintsOf, contentOf, emptyContainer, save, withFiles } from "../../images/apfs/mkapfs.ts";
import { FileDisk, MEBIBYTE } from "../../images/disk-fit/file-disk.ts";

test("an image of a macOS on APFS gets the job of its first start, and its file stays as it was", async (t) => {
  const volume = emptyContainer(t, "-L", "Macintosh HD");
  const version = { path: "System/Library/CoreServices/SystemVersion.plist", content: Buffer.from("<plist/>") };
  // Nodes that are full: the job needs more of them.
  const noise = Array.from({ length: 90 }, (_, line) => createHash("sha256").update(`${line}`).digest("hex"));
  await save(volume, await withFiles(volume, [version, { path: "full", content: Buffer.from(noise.join("\n")) }]));
  const disk = FileDisk.make(
    t,
    130,
    "label: gpt\nstart=1MiB, size=128MiB, type=7C3457EF-0000-11AA-AA11-00306543ECAC\n",
  );
  for (let at = 0; at < volume.sizeBytes; at += MEBIBYTE) {
    const bytes = await volume.read(at, MEBIBYTE);
    if (bytes.some((byte) => byte !== 0)) await disk.write(at + MEBIBYTE, bytes);
  }
  const folder = join(disk.path, "..");
  const before = readFileSync(disk.path);
  const bootcast = (...words: string[]) => {
    const main = join(import.meta.dirname, "../../../cli/main.ts");
    const env = { ...process.env, BOOTCAST_DATA_DIR: join(folder, "data"), NO_COLOR: "1" };
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, "image", ...words], {
      encoding: "utf8",
      env,
    });
    assert.equal(status, 0, stderr);
    return { stdout, stderr };
  };
  const done = bootcast("import", disk.path, "--name", "mac", "--json", "--first-boot-job");
  const { firstBootJob, warnings } = JSON.parse(done.stdout);
  assert.deepEqual(firstBootJob, { volume: "Macintosh HD", wasThere: false });
  assert.deepEqual(
    warnings.filter((warning: string) => /first start/.test(warning)),
    [],
  );
  assert(readFileSync(disk.path).equals(before), "the file is as it was");
  const out = join(folder, "out.raw");
  bootcast("export", "mac", out);
  const exported = new FileDisk(out);
  t.after(() => exported.close());
  for (let at = 0; at < volume.sizeBytes; at += MEBIBYTE)
    await volume.write(at, await exported.read(at + MEBIBYTE, MEBIBYTE));
  assert.equal(complaintsOf(volume), "");
  assert.equal(contentOf(volume, "org.bootcast.first-boot.plist"), apfsFirstBootJob());
});
