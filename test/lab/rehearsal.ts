import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenDisk } from "../../scripts/golden/build.ts";
import { type Lab, type LabOptions, openLab } from "../../scripts/lab/lab.ts";
import type { Machine } from "../../scripts/lab/machine.ts";
import type { Namespace } from "../../scripts/lab/namespace.ts";

export const imageName = "lab-debian";

/** What every rehearsal starts from: the site's key, the golden disk in the store, the boot image. */
export type Site = {
  readonly directory: string;
  readonly golden: string;
  /** A lab whose server has the site's key, store and boot image, and a database of its own. */
  open(name: string, options: Pick<LabOptions, "dhcp" | "settings">): Promise<Lab>;
  close(): Promise<void>;
};

/**
 * Imports the golden disk and builds the boot image with the command line, as an administrator would.
 *
 * @param fill puts more onto a copy of the golden disk, which is imported then
 */
export async function prepareSite(
  say: (text: string) => void,
  fill?: (disk: string, directory: string, namespace: Namespace) => Promise<void>,
): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), "room-"));
  let golden = await goldenDisk(say);
  const dataDir = join(directory, "site");
  const lab = await openLab({ directory: join(directory, "prepare"), dhcp: "full", dataDir });
  try {
    if (fill !== undefined) {
      const own = join(directory, "golden.raw");
      await lab.namespace.run("cp", ["--sparse=always", golden, own], { timeoutMs: 60_000 });
      await fill(own, directory, lab.namespace);
      golden = own;
    }
    await lab.bootcast(["image", "import", golden, "--name", imageName, "--no-input"], { timeoutMs: 300_000 });
    await lab.bootcast(["boot-image", "build", "--no-input"], { timeoutMs: 900_000 });
  } finally {
    await lab.close();
  }
  return {
    directory,
    golden,
    async open(name, options) {
      const own = join(directory, name);
      await mkdir(join(own, "data"), { recursive: true });
      for (const part of ["store", "boot"]) await symlink(join(dataDir, part), join(own, "data", part));
      await cp(join(dataDir, "keys"), join(own, "data", "keys"), { recursive: true });
      return openLab({ ...options, directory: own, dataDir: join(own, "data") });
    },
    close: () => rm(directory, { recursive: true, force: true }),
  };
}

/** One stage of a machine's way: the line that ends it, and how long it may take. */
export type Stage = { readonly name: string; readonly ends: RegExp; readonly deadlineMs: number };

/** Waits for each stage's line in turn, and gives the seconds that each took. */
export async function follow(machine: Machine, stages: readonly Stage[]): Promise<Record<string, number>> {
  const seconds: Record<string, number> = {};
  let from = 0;
  let began = performance.now();
  for (const { name, ends, deadlineMs } of stages) {
    const match = await machine.waitForLine(ends, deadlineMs, `the end of "${name}"`, from);
    from += (match.index ?? 0) + match[0].length;
    seconds[name] = Math.round((performance.now() - began) / 100) / 10;
    began = performance.now();
  }
  return seconds;
}

/**
 * The Hardware UUID that a Mac's firmware would give a machine with this SMBIOS UUID: version 5 of the bytes as
 * SMBIOS stores them, the first three fields little-endian (reference: Piker-Alpha/macosxbootloader#14).
 */
export function hardwareUuidOf(smbiosUuid: string): string {
  const name = Buffer.from(smbiosUuid.replaceAll("-", ""), "hex");
  name.subarray(0, 4).reverse();
  name.subarray(4, 6).reverse();
  name.subarray(6, 8).reverse();
  const space = Buffer.from("2a061990d38d4440a139c497703765ac", "hex");
  const hash = createHash("sha1").update(space).update(name).digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString("hex").toUpperCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
