import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { apfsFirstBootJob } from "../../../agent/identity/first-boot-job.ts";
import { complaintsOf, contentOf, emptyContainer, save, withFiles } from "../../images/apfs/mkapfs.ts";
import { FileDisk } from "../../images/disk-fit/file-disk.ts";

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
  const dd = (...words: string[]) => execFileSync("dd", ["bs=1M", "conv=notrunc", "status=none", ...words]);
  dd(`if=${volume.path}`, `of=${disk.path}`, "seek=1");
  const folder = join(disk.path, "..");
  const before = `${disk.path}.before`;
  execFileSync("cp", ["--sparse=always", disk.path, before]);
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
  execFileSync("cmp", [before, disk.path]);
  const out = join(folder, "out.raw");
  bootcast("export", "mac", out);
  dd(`if=${out}`, `of=${volume.path}`, "skip=1", "count=128");
  assert.equal(complaintsOf(volume), "");
  assert.equal(contentOf(volume, "org.bootcast.first-boot.plist"), apfsFirstBootJob());
});
