import { execFileSync, spawnSync } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Programs of administrators are found without being one. */
export const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, MTOOLS_SKIP_CHECK: "1" };

/** Runs a program and returns what it prints; its words are in the error when it fails. */
export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { env, stdio: "pipe", encoding: "utf8", maxBuffer: 256 << 20, timeout: 60_000 });
}

export function hasProgram(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${name}`], { env }).status === 0;
}

export function kernelHas(fileSystem: string): boolean {
  return readFileSync("/proc/filesystems", "utf8").split(/\s+/).includes(fileSystem);
}

/** How a volume of one kind is made, filled by its own driver and judged by its own checker. */
export type VolumeKind = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly make: (image: string) => void;
  /** Lets `work` see the volume's root as a folder; `mode` "read" must not change a byte. */
  readonly withFolder: (image: string, mode: "read" | "write", work: (folder: string) => void) => void;
  /** Throws when the volume is not clean. */
  readonly check: (image: string) => void;
  /** Its partclone, which also knows what is used; absent where that one is wrong. */
  readonly partclone?: string;
  /** Why it cannot be tried on this machine. */
  readonly skip: string | false;
};

const MIB = 1 << 20;
const isRoot = process.getuid?.() === 0;

function missing(needs: { programs: readonly string[]; root?: boolean; kernel?: string }): string | false {
  const absent = needs.programs.filter((name) => !hasProgram(name));
  if (absent.length > 0) return `not installed: ${absent.join(", ")}`;
  if (needs.root === true && !isRoot) return "mounting needs root";
  return needs.kernel !== undefined && !kernelHas(needs.kernel) && `this kernel has no ${needs.kernel}`;
}

function mounted(mount: (folder: string) => void, image: string, work: (folder: string) => void): void {
  const folder = `${image}.mounted`;
  mkdirSync(folder);
  mount(folder);
  try {
    work(folder);
  } finally {
    run("umount", folder);
    rmSync(folder, { recursive: true });
  }
}

/** By the kernel's own driver, on a loop device that goes with the mount. */
function kernelMount(type: string, options: string): VolumeKind["withFolder"] {
  return (image, mode, work) =>
    mounted(
      (folder) => run("mount", "-t", type, "-o", `loop,${mode === "read" ? `ro,${options}` : "rw"}`, image, folder),
      image,
      work,
    );
}

/** exfat-fuse takes block devices only. */
const exfatMount: VolumeKind["withFolder"] = (image, mode, work) => {
  const device = run("losetup", "--find", "--show", ...(mode === "read" ? ["-r"] : []), image).trim();
  try {
    mounted((folder) => run("mount.exfat-fuse", ...(mode === "read" ? ["-o", "ro"] : []), device, folder), image, work);
  } finally {
    run("losetup", "-d", device);
  }
};

const ntfsMount: VolumeKind["withFolder"] = (image, mode, work) =>
  mounted((folder) => run("ntfs-3g", "-o", mode === "read" ? "ro" : "rw", image, folder), image, work);

/** Without a driver: the files are copied out, and what was changed in the copy is carried over. */
const mtoolsFolder: VolumeKind["withFolder"] = (image, mode, work) => {
  const folder = `${image}.copied`;
  mkdirSync(folder);
  if (mode === "read") run("mcopy", "-s", "-n", "-i", image, "::", folder);
  work(folder);
  if (mode === "write") {
    run("mcopy", "-s", "-i", image, ...readdirSync(folder).map((name) => join(folder, name)), "::");
    run("mdel", "-i", image, `::${DELETED}*`, `::mixed/${DELETED}*`);
  }
  rmSync(folder, { recursive: true });
};

function fat(bits: number, sizeBytes: number, ...options: string[]): VolumeKind {
  return {
    name: `FAT${bits}${options.length > 0 ? ` (${options.join(" ")})` : ""}`,
    sizeBytes,
    make: (image) => run("mkfs.fat", "-F", String(bits), ...options, image),
    withFolder: mtoolsFolder,
    check: (image) => run("fsck.fat", "-n", image),
    // That of 0.3.23 takes entries of FAT12 from wrong places: what it says is free is in use.
    ...(bits !== 12 && { partclone: `partclone.fat${bits}` }),
    skip: missing({ programs: ["mkfs.fat", "fsck.fat", "mcopy"] }),
  };
}

function ext(version: 2 | 3 | 4, ...options: string[]): VolumeKind {
  return {
    name: `ext${version} (${options.join(" ")})`,
    sizeBytes: 128 * MIB,
    make: (image) => run(`mkfs.ext${version}`, "-q", "-F", ...options, image),
    withFolder: kernelMount(`ext${version}`, version === 2 ? "noatime" : "noload"),
    check: (image) => run("e2fsck", "-f", "-n", image),
    partclone: `partclone.ext${version}`,
    skip: missing({ programs: ["mkfs.ext4", "e2fsck"], root: true, kernel: `ext${version}` }),
  };
}

function ntfs(...options: string[]): VolumeKind {
  return {
    name: `NTFS (${options.join(" ")})`,
    sizeBytes: 128 * MIB,
    make: (image) => run("mkntfs", "-q", "-F", "-Q", ...options, image),
    withFolder: ntfsMount,
    // Counts every cluster of every file and compares with the bitmap.
    check: (image) => run("ntfsresize", "-i", "-f", image),
    partclone: "partclone.ntfs",
    skip: missing({ programs: ["mkntfs", "ntfs-3g", "ntfsresize"], root: true, kernel: "fuseblk" }),
  };
}

function xfs(...options: string[]): VolumeKind {
  return {
    name: `XFS (${options.join(" ")})`,
    sizeBytes: 320 * MIB,
    make: (image) => run("mkfs.xfs", "-q", "-f", ...options, image),
    withFolder: kernelMount("xfs", "norecovery,nouuid"),
    check: (image) => run("xfs_repair", "-n", "-f", image),
    partclone: "partclone.xfs",
    skip: missing({ programs: ["mkfs.xfs", "xfs_repair"], root: true, kernel: "xfs" }),
  };
}

const exfat: VolumeKind = {
  name: "exFAT",
  sizeBytes: 128 * MIB,
  make: (image) => run("mkfs.exfat", image),
  withFolder: exfatMount,
  check: (image) => run("fsck.exfat", "-n", image),
  partclone: "partclone.exfat",
  skip: missing({ programs: ["mkfs.exfat", "fsck.exfat", "mount.exfat-fuse", "losetup"], root: true, kernel: "fuse" }),
};

export const btrfs: VolumeKind = {
  name: "btrfs",
  sizeBytes: 320 * MIB,
  make: (image) => run("mkfs.btrfs", "-q", "-f", image),
  withFolder: kernelMount("btrfs", "noatime"),
  check: (image) => run("btrfs", "check", "--readonly", "--check-data-csum", image),
  partclone: "partclone.btrfs",
  skip: missing({ programs: ["mkfs.btrfs", "btrfs"], root: true, kernel: "btrfs" }),
};

export const volumeKinds: readonly VolumeKind[] = [
  ext(4, "-b", "4096"),
  ext(3, "-b", "2048"),
  ext(2, "-b", "1024"),
  fat(12, 32 * MIB, "-s", "32"),
  fat(16, 128 * MIB),
  fat(32, 128 * MIB, "-s", "1"),
  ntfs("-c", "4096"),
  ntfs("-c", "65536"),
  exfat,
  xfs("-b", "size=4096"),
  xfs("-b", "size=1024"),
];

const SMALL_FILES = 400;

/**
 * Makes a volume of a kind with some files on it, those kept and those deleted
 * written in turns, so that free space is in many places.
 *
 * @param keptBytes how much of each, about
 */
export function makeVolume(kind: VolumeKind, image: string, keptBytes: number, deletedBytes: number): void {
  writeFileSync(image, "");
  truncateSync(image, kind.sizeBytes);
  kind.make(image);
  kind.withFolder(image, "write", (folder) => {
    for (let number = 0; number < SMALL_FILES; number += 1)
      for (const fate of ["kept", DELETED]) writeNoise(join(folder, "mixed"), `${fate} ${number}`, 6000);
    for (let number = 0; number < 16; number += 1) {
      writeNoise(folder, `kept ${number}`, (Math.round(keptBytes / 16) * (number % 3)) / 2 + number);
      writeNoise(folder, `${DELETED} ${number}`, Math.round(deletedBytes / 16));
    }
    // mtools deletes in the volume itself: what is deleted in the copy would never have been there.
    if (kind.withFolder === mtoolsFolder) return;
    run("sync", "-f", folder);
    for (const part of [folder, join(folder, "mixed")])
      for (const name of readdirSync(part)) if (name.startsWith(DELETED)) rmSync(join(part, name));
  });
}

const DELETED = "deleted";

function writeNoise(folder: string, name: string, length: number): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), noise(name, Math.floor(length)));
}

/** Bytes that no compressor makes smaller, the same for the same seed. */
export function noise(seed: string, length: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** The SHA-256 of every file of a volume by its path. */
export function filesOf(kind: VolumeKind, image: string): Record<string, string> {
  const files: Record<string, string> = {};
  kind.withFolder(image, "read", (folder) => {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      files[path.slice(folder.length)] = createHash("sha256").update(readFileSync(path)).digest("hex");
    }
  });
  return files;
}
