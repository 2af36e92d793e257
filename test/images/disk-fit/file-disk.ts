import { execFileSync } from "node:child_process";
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { BlockSource, BlockTarget } from "../../../images/block.ts";
import type { DiskWrite } from "../../../images/disk-fit/disk-write.ts";
import type { FitPlan } from "../../../images/disk-fit/plan.ts";

export const MEBIBYTE = 1024 * 1024;

/** A disk in a sparse file, or a device, which the tools of Linux can look at. */
export class FileDisk implements BlockSource, BlockTarget {
  readonly path: string;
  readonly #handle: number;
  /** Of a device: a file may grow. */
  readonly #deviceBytes: number | undefined;

  constructor(path: string) {
    this.path = path;
    this.#handle = openSync(path, "r+");
    if (statSync(path).isBlockDevice()) this.#deviceBytes = Number(this.said("blockdev", "--getsize64"));
  }

  /** A new one with a partition table of sfdisk, removed at the end of the test. */
  static make(t: TestContext, mebibytes: number, table?: string): FileDisk {
    const directory = mkdtempSync(join(tmpdir(), "bootcast-fit-"));
    const path = join(directory, "disk");
    closeSync(openSync(path, "w"));
    const disk = new FileDisk(path);
    t.after(() => {
      disk.close();
      rmSync(directory, { recursive: true, force: true });
    });
    disk.grow(mebibytes);
    if (table !== undefined) {
      const options = ["--quiet", "--no-reread", path];
      execFileSync("sfdisk", options, { input: table, stdio: ["pipe", "ignore", "pipe"] });
    }
    return disk;
  }

  get sizeBytes(): number {
    return this.#deviceBytes ?? statSync(this.path).size;
  }

  grow(mebibytes: number): void {
    ftruncateSync(this.#handle, mebibytes * MEBIBYTE);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (offset < 0 || offset + length > this.sizeBytes) throw new RangeError(`read ${offset}+${length}`);
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length; ) done += readSync(this.#handle, bytes, done, length - done, offset + done);
    return bytes;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset < 0 || offset + bytes.length > this.sizeBytes) throw new RangeError(`write ${offset}`);
    writeSync(this.#handle, bytes, 0, bytes.length, offset);
  }

  async flush(): Promise<void> {}

  sync(): void {
    fsyncSync(this.#handle);
  }

  /** Becomes what another one is. Where that one has holes this one has them too: nothing is written there. */
  becomeCopyOf(other: FileDisk): void {
    execFileSync("cp", ["--sparse=always", other.path, this.path]);
  }

  close(): void {
    closeSync(this.#handle);
  }

  /** What a program prints of it. */
  said(command: string, ...args: string[]): string {
    return execFileSync(command, [...args, this.path], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Partition number ► start and size in MiB, number and name, as sfdisk reads the table. */
  partitions(): Map<number, { start: number; size: number; uuid: string }> {
    const { partitiontable } = JSON.parse(this.said("sfdisk", "--json"));
    const found = partitiontable.partitions as { node: string; start: number; size: number; uuid?: string }[];
    const mebibytes = (sectors: number) => (sectors * 512) / MEBIBYTE;
    return new Map(
      found.map(({ node, start, size, uuid = "" }) => [
        Number(node.slice(this.path.length)),
        { start: mebibytes(start), size: mebibytes(size), uuid },
      ]),
    );
  }
}

/** So much of an ext4 volume that its size and number are read. */
export function ext4Superblock(mebibytes: number): Uint8Array {
  const bytes = Buffer.alloc(4096);
  bytes.writeUInt32LE(mebibytes * 256, 1024 + 4);
  bytes.writeUInt32LE(2, 1024 + 0x18);
  bytes.writeUInt16LE(0xef53, 1024 + 56);
  bytes.writeUInt32LE(0x40, 1024 + 96);
  bytes.fill(7, 1024 + 0x68, 1024 + 0x78);
  return bytes;
}

/** The bytes that a plan writes by itself, in their order; what programs do is not among them. */
export function ownWrites(plan: FitPlan): DiskWrite[] {
  return plan.steps.flatMap((step) => {
    if (step.do === "make-swap") return [step.write];
    if (step.do === "write-table") return step.writes;
    if (step.do !== "renew" || typeof step.renewal.by === "string") return [];
    return step.renewal.by.map(({ at, bytes }) => ({ at: step.volume.startBytes + at, bytes }));
  });
}

/** Carries out the first of some writes, and of the next one its first bytes: a power cut. */
export async function writeUntil(
  disk: BlockTarget,
  writes: readonly DiskWrite[],
  count: number,
  bytesOfNext = 0,
): Promise<void> {
  for (const { at, bytes } of writes.slice(0, count)) await disk.write(at, bytes);
  const next = writes[count];
  if (next !== undefined && bytesOfNext > 0) await disk.write(next.at, next.bytes.subarray(0, bytesOfNext));
}
