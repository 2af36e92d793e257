import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import { tools } from "../../../agent/machine/tools.ts";

export const needsRoot = process.getuid?.() !== 0 && "mounting needs root";

/** A file system in a file, behind a loop device, filled through a mount of its own. */
export function volumeOf(
  t: TestContext,
  fileSystem: string,
  make: readonly [string, ...string[]],
  fill: (root: string) => void,
  sizeBytes = 32 * 1024 * 1024,
) {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-volume-"));
  const file = join(directory, "volume");
  writeFileSync(file, "");
  truncateSync(file, sizeBytes);
  execFileSync(make[0], [...make.slice(1), file], { stdio: "ignore" });
  const device = execFileSync("losetup", ["-f", "--show", file], { encoding: "utf8" }).trim();
  t.after(() => {
    execFileSync("losetup", ["-d", device]);
    rmSync(directory, { recursive: true, force: true });
  });
  const root = join(directory, "root");
  mkdirSync(root);
  if (fileSystem === "ntfs") execFileSync("ntfs-3g", [device, root]);
  else execFileSync("mount", ["-t", fileSystem, device, root]);
  try {
    fill(root);
  } finally {
    execFileSync("umount", [root]);
  }
  const machine = { tools, log: pino({ level: "silent" }), mountDirectory: join(directory, "mounts") };
  return { file, device, machine, volume: { device, number: 1, sizeBytes, fileSystem, type: "" } };
}
