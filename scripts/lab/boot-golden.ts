import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenDisk } from "../golden/build.ts";
import { startMachine } from "./machine.ts";
import { openNamespace } from "./namespace.ts";

/**
 * Boots the golden disk from itself, once with each firmware and each kind of
 * disk, and says how long it took to the login prompt:
 *
 *     node scripts/lab/boot-golden.ts [bios|uefi]
 */
const image = process.env["BOOTCAST_GOLDEN"] ?? (await goldenDisk());
const wanted = process.argv[2];
const namespace = await openNamespace();
const directory = await mkdtemp(join(tmpdir(), "lab-"));
const tries = [
  { firmware: "bios", bus: "virtio" },
  { firmware: "uefi", bus: "sata" },
] as const;
try {
  for (const { firmware, bus } of tries) {
    if (wanted !== undefined && wanted !== firmware) continue;
    const startedAt = performance.now();
    const machine = await startMachine({
      namespace,
      directory,
      name: firmware,
      firmware,
      mac: "52:54:00:10:77:01",
      uuid: "10770000-0000-4000-8000-000000000001",
      boot: "disk",
      disks: [{ path: image, bus, isThrowAway: true }],
    });
    try {
      await machine.waitForLine("golden login:", 180_000, "the golden system's login prompt");
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      process.stdout.write(`${firmware}, ${bus} disk: login prompt after ${seconds} s\n`);
    } finally {
      if (process.env["BOOTCAST_LAB_CONSOLE"] !== undefined) process.stdout.write(machine.consoleText());
      await machine.stop();
    }
  }
} finally {
  await namespace.close();
  await rm(directory, { recursive: true });
}
