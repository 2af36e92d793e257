import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Partition } from "../../images/manifest.ts";
import type { Namespace } from "../../scripts/lab/namespace.ts";

/** Disks that nobody ordered to be erased: one with a file system on it, and a stick. */
export async function bystanders(namespace: Namespace, directory: string): Promise<{ data: string; stick: string }> {
  const [data, stick] = [join(directory, "data.raw"), join(directory, "stick.raw")];
  await namespace.run("mke2fs", ["-q", "-t", "ext4", "-L", "accounts", data, "600M"]);
  await namespace.run("truncate", ["--size", "560M", stick]);
  await namespace.run("mkfs.vfat", ["-F", "32", "-n", "HOLIDAYS", stick]);
  return { data, stick };
}

const zeros = new Uint8Array(1024 * 1024);

/** SHA-256 of what a disk's file holds and where, hexadecimal. Most of such a file is holes, which are not hashed. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path);
  try {
    const part = Buffer.alloc(zeros.length);
    for (let offset = 0; ; ) {
      const { bytesRead } = await file.read(part, 0, part.length, offset);
      const bytes = part.subarray(0, bytesRead);
      if (!bytes.equals(zeros.subarray(0, bytesRead))) hash.update(`${offset} ${bytesRead}\n`).update(bytes);
      offset += bytesRead;
      if (bytesRead === 0) return hash.update(`${offset}`).digest("hex");
    }
  } finally {
    await file.close();
  }
}

/** The ext4 system of a disk's last partition, looked at and changed from outside. */
export type System = {
  /** Where it begins on the disk, and its partition's length. */
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** As a mount would after a power cut: what the journal holds is carried out. */
  replay(): Promise<void>;
  /** e2fsck finds nothing, and the file system is as long as its partition. */
  checkWhole(): Promise<void>;
  read(path: string): Promise<Uint8Array>;
  /** Puts a file into it, in the place of another that is there. */
  write(path: string, content: Uint8Array, mode?: number): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Changes bytes of a file's content where they lie on the disk: the file system does not hear of it. */
  damage(path: string, lengthBytes: number): Promise<void>;
};

/** @throws when sfdisk finds a fault in the partition table */
export async function systemOn(namespace: Namespace, disk: string, directory: string): Promise<System> {
  await namespace.run("sfdisk", ["--verify", "--quiet", disk]);
  const { stdout } = await namespace.run("sfdisk", ["--json", disk]);
  const { partitions } = JSON.parse(stdout).partitiontable as { partitions: { start: number; size: number }[] };
  const last = partitions.at(-1)!;
  const [startBytes, sizeBytes] = [last.start * 512, last.size * 512];
  const volume = `${disk}?offset=${startBytes}`;
  const parcel = join(directory, "parcel");
  const debugfs = async (request: string, ...options: string[]) =>
    (await namespace.run("debugfs", [...options, "-R", request, volume])).stdout;
  const system: System = {
    startBytes,
    sizeBytes,
    async replay() {
      // In a file of its own: e2fsck 1.47 forgets the offset when it opens a volume again behind its journal.
      const alone = join(directory, "volume");
      const blocks = ["bs=1M", "conv=notrunc", "status=none", "iflag=skip_bytes,count_bytes", "oflag=seek_bytes"];
      const run = (...where: string[]) => namespace.run("dd", [...blocks, ...where], { timeoutMs: 60_000 });
      await run(`if=${disk}`, `of=${alone}`, `skip=${startBytes}`, `count=${sizeBytes}`);
      const { exitCode, stdout: said } = await namespace.tryRun("e2fsck", ["-fp", alone]);
      await run(`if=${alone}`, `of=${disk}`, `seek=${startBytes}`, `count=${sizeBytes}`);
      await rm(alone);
      // 1: the journal was carried out, or small things of a power cut were put in order.
      assert(exitCode === 0 || exitCode === 1, said);
    },
    async checkWhole() {
      const checked = await namespace.tryRun("e2fsck", ["-fn", volume]);
      assert.equal(checked.exitCode, 0, checked.stdout + checked.stderr);
      const words = (await namespace.run("dumpe2fs", ["-h", volume])).stdout;
      const [blocks, blockBytes] = ["Block count", "Block size"].map((key) =>
        Number(new RegExp(`^${key}: +(\\d+)`, "m").exec(words)?.[1]),
      );
      assert.equal(blocks! * blockBytes!, sizeBytes);
    },
    async read(path) {
      await debugfs(`dump ${path} ${parcel}`);
      const file = await open(parcel);
      try {
        return await file.readFile();
      } finally {
        await file.close();
        await rm(parcel);
      }
    },
    async write(path, content, mode = 0o644) {
      await writeFile(parcel, content);
      if (await system.exists(path)) await debugfs(`rm ${path}`, "-w");
      await debugfs(`write ${parcel} ${path}`, "-w");
      await debugfs(`set_inode_field ${path} mode 0${(0o100000 | mode).toString(8)}`, "-w");
      await rm(parcel);
    },
    async exists(path) {
      return /^Inode:/m.test(await debugfs(`stat ${path}`));
    },
    async damage(path, lengthBytes) {
      const blocks = (await debugfs(`blocks ${path}`)).trim().split(/\s+/).map(Number);
      const blockBytes = 4096;
      assert(blocks.length * blockBytes >= lengthBytes, `${path} has ${blocks.length} blocks`);
      const file = await open(disk, "r+");
      try {
        for (const block of blocks.slice(0, lengthBytes / blockBytes)) {
          await file.write(new Uint8Array(blockBytes).fill(0xbc), 0, blockBytes, startBytes + block * blockBytes);
        }
      } finally {
        await file.close();
      }
    },
  };
  return system;
}

/** Whether a place on a disk lies in a file system that naming, growing and a first start change. */
export function mayChange(offset: number, partitions: readonly Partition[]): boolean {
  return partitions.some(
    ({ fileSystem, startBytes, sizeBytes }) =>
      ["ext4", "hfsplus"].includes(fileSystem) && offset >= startBytes && offset < startBytes + sizeBytes,
  );
}
