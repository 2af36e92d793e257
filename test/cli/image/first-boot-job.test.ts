import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parsePropertyList } from "../../../images/property-list.ts";
import { bootcast } from "../program.ts";

test("image first-boot-job writes a launchd job, and what puts it into a master", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bootcast-job-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const out = join(folder, "usb", "bootcast");
  const { code, stdout, stderr } = await bootcast(["image", "first-boot-job", "--out", out, "--json"]);
  assert.equal(code, 0, stderr);
  const [job = "", installer = ""] = (JSON.parse(stdout) as { files: string[] }).files;
  assert.equal((parsePropertyList(readFileSync(job)) as { Label: string }).Label, "org.bootcast.first-boot");

  const master = join(folder, "Macintosh HD");
  const install = () => spawnSync("sh", [installer, master], { encoding: "utf8" });
  const refused = install();
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /There is no .*Macintosh HD\/Library\/LaunchDaemons/);
  if (process.getuid?.() !== 0)
    return t.diagnostic("only root gives files to root: the installer was not run to its end");
  mkdirSync(join(master, "Library/LaunchDaemons"), { recursive: true });
  mkdirSync(join(master, "private/var/db"), { recursive: true });
  writeFileSync(join(master, "private/var/db/.bootcast-first-boot"), "2\n");
  const done = install();
  assert.equal(done.status, 0, done.stderr);
  const placed = join(master, "Library/LaunchDaemons/org.bootcast.first-boot.plist");
  assert.deepEqual(readFileSync(placed), readFileSync(job));
  const { mode, uid, gid } = statSync(placed);
  assert.deepEqual([mode & 0o777, uid, gid], [0o644, 0, 0]);
  // Tries of an earlier time do not count for the clones.
  assert.equal(execFileSync("ls", ["-A", join(master, "private/var/db")], { encoding: "utf8" }), "");
});
