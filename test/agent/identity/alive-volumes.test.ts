import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import type { Identity } from "../../../agent/identity/change.ts";
import { linuxAlive } from "../../../agent/identity/linux-alive.ts";
import { macAlive } from "../../../agent/identity/mac-alive.ts";
import { tools } from "../../../agent/machine/tools.ts";
import { nameVolumes } from "../../../agent/volumes/name-volumes.ts";
import { checkedVolume } from "../../images/hfs-plus/checked-volume.ts";
import { macEntries, macFile } from "./mac-disk.ts";
import { writeFiles } from "./volume-root.ts";

const alive = { url: "http://10.77.0.1:8440/agent/v1/hosts/h-0123456789ab/alive", token: "q".repeat(43) };
const identity: Identity = { hostName: "lab-07", mac: "52:54:00:00:00:07", hardwareUuids: [], alive };
const log = pino({ level: "silent" });
const isRoot = process.getuid?.() === 0;

test("HFS+: job and script belong to root, nobody else may write them, and the volume is whole", async (t) => {
  const device = await macFile(t, macEntries("10.5.8"));
  const volume = { device: device.path, number: 0, sizeBytes: device.sizeBytes, fileSystem: "hfsplus", type: "" };
  const machine = { tools, log, mountDirectory: "/nowhere" };
  const { callsWhenUp, changes, notes } = await nameVolumes([volume], [macAlive], identity, machine);
  assert.deepEqual({ callsWhenUp, changes, notes }, { callsWhenUp: true, changes: 2, notes: [] });
  const found = checkedVolume(readFileSync(device.path));
  for (const [path, mode] of [
    ["/Library/LaunchDaemons/org.bootcast.alive.plist", 0o100644],
    ["/private/var/db/bootcast-alive", 0o100700],
  ] as const) {
    const { record, content } = found.get(path)!;
    // Apple TN1150, HFSPlusBSDInfo: owner, group, flags, mode.
    assert.deepEqual([record.readUInt32BE(32), record.readUInt32BE(36), record.readUInt16BE(42)], [0, 0, mode], path);
    assert(content !== undefined && content.length > 100);
  }
  assert.equal((await nameVolumes([volume], [macAlive], identity, machine)).changes, 0);
});

test("ext4: unit, link and script, and e2fsck finds nothing", {
  skip: isRoot ? false : "mounting and loop devices need root",
}, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-alive-"));
  const root = join(directory, "root");
  mkdirSync(root);
  writeFiles(root, {
    "/etc/os-release": "ID=debian\n",
    "/usr/lib/systemd/systemd": "",
    "/etc/systemd/system/multi-user.target.wants/.keep": "",
  });
  const file = join(directory, "volume");
  writeFileSync(file, "");
  truncateSync(file, 16 * 1024 * 1024);
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-d", root, file]);
  const device = execFileSync("losetup", ["-f", "--show", file], { encoding: "utf8" }).trim();
  t.after(() => {
    execFileSync("losetup", ["-d", device]);
    rmSync(directory, { recursive: true, force: true });
  });
  const { size: sizeBytes } = statSync(file);
  const volume = { device, number: 1, sizeBytes, fileSystem: "ext4", type: "" };
  const machine = { tools, log, mountDirectory: join(directory, "mounts") };
  const { callsWhenUp, changes } = await nameVolumes([volume], [linuxAlive], identity, machine);
  assert.deepEqual({ callsWhenUp, changes }, { callsWhenUp: true, changes: 3 });
  assert.equal((await nameVolumes([volume], [linuxAlive], identity, machine)).changes, 0);
  execFileSync("e2fsck", ["-fn", device], { stdio: "ignore" });
  const seen = (path: string) => execFileSync("debugfs", ["-R", `stat ${path}`, device], { encoding: "utf8" });
  assert.match(seen("/etc/bootcast-alive"), /Mode:\s+0700.*\nUser:\s+0\s+Group:\s+0/s);
  assert.match(
    seen("/etc/systemd/system/multi-user.target.wants/bootcast-alive.service"),
    /Fast link dest: "\/etc\/systemd\/system\/bootcast-alive\.service"/,
  );
});
