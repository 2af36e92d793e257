import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import type { Fault } from "../../../fault.ts";
import type { BlockSource } from "../../../images/block.ts";
import { openImage } from "../../../server/images/open-image.ts";
import { sealed } from "../../images/encrypted/sealed.ts";
import { readSample, samplePath, samplesMissing } from "../../images/shared-data.ts";
import { buildUdif, RUN } from "../../images/udif/build-udif.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "bootcast-open-"));
});
after(() => rm(directory, { recursive: true }));

async function digestOf(source: BlockSource): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < source.sizeBytes; at += 1 << 20)
    hash.update(await source.read(at, Math.min(1 << 20, source.sizeBytes - at)));
  return hash.digest("hex");
}

/** Opens, reads all, verifies, closes. */
async function readAll(path: string, passphrase?: string) {
  const image = await openImage(path, passphrase === undefined ? {} : { passphrase: async () => passphrase });
  try {
    const digest = await digestOf(image.source);
    await image.verify();
    const { format, kind, layers, source } = image;
    return { format, kind, layers: layers.map(({ title }) => title), sizeBytes: source.sizeBytes, digest };
  } finally {
    await image.close();
  }
}

async function file(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(join(directory, name), bytes);
  return join(directory, name);
}

function run(name: string, ...args: string[]): void {
  execFileSync(name, args, { cwd: directory, stdio: "pipe" });
}

function hasProgram(name: string): boolean {
  try {
    execFileSync("which", [name], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}

/** 4 MiB with a file system's signature, some content and zeros. */
function sampleDisk(): Buffer {
  const disk = Buffer.alloc(4 << 20);
  for (let at = 1 << 20; at < 2 << 20; at += 32) createHash("sha256").update(`${at}`).digest().copy(disk, at);
  disk.write("H+\0\x04", 1024, "latin1");
  return disk;
}
const disk = sampleDisk();
const digest = createHash("sha256").update(disk).digest("hex");

describe("samples of other programs", { skip: samplesMissing }, () => {
  type Expected = {
    readonly name: string;
    readonly digest: string;
    readonly format: string;
    readonly passphrase?: string;
  };
  const samples: readonly Expected[] = [
    {
      name: "dmg/encrypted-v1-aes128-udrw.dmg",
      format: "encrypted udrw",
      passphrase: "vilefault",
      digest: "401341cf5564066dd3aaa8b2d303bd76666abe5bd1c5127ad56095957e986dbe",
    },
    {
      name: "dmg/encrypted-v2-aes128-udrw.dmg",
      format: "encrypted udrw",
      passphrase: "vilefault",
      digest: "6fd3ed173450459fb2e838a846e9bee88c9b9e9c6a97fe554aa0a65a54ce7f12",
    },
    {
      name: "dmg/encrypted-v2-udzo-apm-hfsplus.dmg",
      format: "encrypted udzo",
      passphrase: "password",
      digest: "00311aa2925675a23e914ddc46ff6bda16575c63515bb82e785371253ae6e905",
    },
    {
      name: "dmg/udrw-hfsj-volume.dmg.zip",
      format: "raw",
      digest: "84e9d59d54e9412774db79439306b30cbba6d9d49d12411a6ca64b3a13ca99c8",
    },
    {
      name: "dmg/hfsj-volume.sparseimage.zip",
      format: "sparseimage",
      digest: "ca3f866acde4efa5ff4c010f1f044ccc72135a92114bafdcc53644e0a093acbf",
    },
    {
      name: "dmg/hfsj-volume.sparsebundle.zip",
      format: "sparsebundle",
      digest: "69fd05ee19642670734e25fd7c5f930fb11bb794bb04eb03411530cf25bd9bb8",
    },
    {
      name: "partclone/hfsplus-tiger.pcl.gz",
      format: "partclone hfsplus",
      digest: "824d1b5cbe37e282f9545c3e4318e5766e6cea837e01a787d0c358dc1d9e230c",
    },
    {
      name: "hfs/gpt-disk.raw.gz",
      format: "raw",
      digest: "f77a90d7ba5e7feb7ac0587f0584b840234d3782b39dc36b2dce9b8b0a432f57",
    },
  ];
  for (const expected of samples) {
    test(`${expected.name} reads to its digest`, async () => {
      const found = await readAll(samplePath(expected.name), expected.passphrase);
      assert.equal(found.digest, expected.digest);
      assert.equal(found.format, expected.format);
    });
  }

  test("every .dmg reads to its digest", async () => {
    const listed = JSON.parse(readSample("dmg-expected.json").toString()) as { file: string; rawSha256?: string }[];
    const plain = listed.filter(({ rawSha256 }) => rawSha256 !== undefined);
    assert(plain.length >= 8);
    for (const { file: name, rawSha256 } of plain)
      assert.equal((await readAll(samplePath(`dmg/${name}`))).digest, rawSha256, name);
  });

  test("ext4 from partclone is what partclone itself restores", {
    skip: !hasProgram("partclone.restore") && "no partclone",
  }, async () => {
    const path = await file("ext4.pcl", gunzipSync(readSample("partclone/ext4-1k.pcl.gz")));
    run("partclone.restore", "-C", "-s", path, "-O", join(directory, "ext4.raw"), "-L", "/dev/null");
    const image = await openImage(path);
    const theirs = await readFile(join(directory, "ext4.raw"));
    assert.deepEqual(Buffer.from(await image.source.read(0, theirs.length)), theirs);
    await image.close();
  });

  test("an unzipped sparse bundle, where it lies", async () => {
    run("7zz", "x", "-y", samplePath("dmg/hfsj-volume.sparsebundle.zip"));
    const path = join(directory, "aj_bundle.sparsebundle");
    const found = await readAll(path);
    assert.deepEqual(
      [found.format, found.digest],
      ["sparsebundle", "69fd05ee19642670734e25fd7c5f930fb11bb794bb04eb03411530cf25bd9bb8"],
    );
    const encrypted = join(directory, "encrypted.sparsebundle");
    await cp(path, encrypted, { recursive: true });
    await writeFile(join(encrypted, "token"), "encrcdsa");
    await assert.rejects(openImage(encrypted), { code: "ENCRYPTED_KIND" });
    // A band that is a link would bring any file of this machine into the image.
    const [band] = await readdir(join(path, "bands"));
    await rm(join(path, "bands", band!));
    await symlink("/etc/passwd", join(path, "bands", band!));
    await assert.rejects(openImage(path), { code: "SPARSE_BUNDLE_DAMAGED" });
  });

  test("a .dmg in a gzip in a zip", async () => {
    const inner = await file("tiger.dmg.gz", gzipSync(readSample("dmg/udzo-apm-hfsplus.dmg")));
    run("7zz", "a", "nested.zip", inner);
    const found = await readAll(join(directory, "nested.zip"));
    assert.deepEqual(found.layers, ["zip (tiger.dmg.gz)", "gzip"]);
    assert.deepEqual(
      [found.format, found.digest],
      ["udzo", "00311aa2925675a23e914ddc46ff6bda16575c63515bb82e785371253ae6e905"],
    );
  });
});

describe("compressed as a whole", () => {
  test("gzip, xz, zstd, several frames and members, zip stored and packed", async () => {
    const path = await file("disk.raw", disk);
    run("xz", "-k", "-0", path);
    await file("disk.gz", Buffer.concat([gzipSync(disk.subarray(0, 3_000_000)), gzipSync(disk.subarray(3_000_000))]));
    await file(
      "disk.zst",
      Buffer.concat([zstdCompressSync(disk.subarray(0, 1 << 21)), zstdCompressSync(disk.subarray(1 << 21))]),
    );
    run("7zz", "a", "-mx=0", "stored.zip", path);
    run("7zz", "a", "packed.zip", path);
    for (const name of ["disk.raw", "disk.raw.xz", "disk.gz", "disk.zst", "stored.zip", "packed.zip"]) {
      const found = await readAll(join(directory, name));
      assert.deepEqual([found.format, found.kind, found.digest], ["raw", "volume", digest], name);
    }
  });

  test("a .dmg that was cut off after whole sectors is no raw disk; a raw one of that name is read", async () => {
    // The front of every kind of data fork: packed by zlib, by ADC, or noise of an encrypted image with its header behind.
    for (const start of ["789c", "c0ffee", "9f3a1184"]) {
      const bytes = Buffer.concat([Buffer.from(start, "hex"), randomBytes(1 << 16)]).subarray(0, 1 << 16);
      await assert.rejects(openImage(await file("piece.dmg", bytes)), { code: "UDIF_TRUNCATED" });
      await assert.rejects(openImage(await file("piece.dmg.gz", gzipSync(bytes))), { code: "UDIF_TRUNCATED" });
      assert.equal((await readAll(await file("piece.raw", bytes))).format, "raw");
    }
    for (const raw of [disk, Buffer.alloc(1 << 16)])
      assert.equal((await readAll(await file("raw.dmg", raw))).sizeBytes, raw.length);
  });

  test("cut off or damaged ones are refused", async () => {
    run("xz", "-k", "-0", await file("other.raw", disk));
    const packed: Readonly<Record<string, Buffer>> = {
      gz: gzipSync(disk),
      zst: zstdCompressSync(disk, { params: { 201: 1 } }),
      xz: await readFile(join(directory, "other.raw.xz")),
    };
    for (const [name, bytes] of Object.entries(packed)) {
      for (const length of [20, bytes.length >> 1, bytes.length - 1])
        await assert.rejects(openImage(await file(`cut.${name}`, bytes.subarray(0, length))), {
          code: /^(UNPACK|ZSTD)_DAMAGED$/,
        });
      const bad = Buffer.from(bytes);
      bad[bytes.length >> 1]! ^= 1;
      await assert.rejects(openImage(await file(`bad.${name}`, bad)), { code: /^(UNPACK|ZSTD)_DAMAGED$/ });
    }
    await assert.rejects(openImage(await file("empty.gz", gzipSync(""))), { code: "IMAGE_EMPTY" });
  });

  test("a zip's member with a wrong checksum is refused, stored ones when verified", async () => {
    const path = await file("sums.raw", disk);
    for (const level of ["0", "5"]) {
      const name = `sums${level}.zip`;
      run("7zz", "a", `-mx=${level}`, name, path);
      const bytes = await readFile(join(directory, name));
      // The CRC-32 in the central directory.
      bytes[bytes.indexOf("PK\x01\x02", 0, "latin1") + 16]! ^= 1;
      await assert.rejects(readAll(await file(`bad-${name}`, bytes)), { code: "ZIP_DAMAGED" });
    }
  });

  test("a zip with no image, or several, is refused by name", async () => {
    await file("a.txt", Buffer.from("a"));
    await file("b.txt", Buffer.from("b"));
    await file("a.img", disk);
    run("7zz", "a", "none.zip", "a.txt", "b.txt");
    await assert.rejects(openImage(join(directory, "none.zip")), {
      code: "ZIP_CONTENT",
      why: 'It holds "a.txt", "b.txt".',
    });
    run("7zz", "a", "with-text.zip", "a.txt", "a.img");
    assert.equal((await readAll(join(directory, "with-text.zip"))).digest, digest);
    await file("b.img", disk);
    run("7zz", "a", "several.zip", "a.img", "b.img");
    await assert.rejects(openImage(join(directory, "several.zip")), { code: "ZIP_CONTENT" });
  });

  test("unpacking stops where the room ends, and leaves nothing behind", async () => {
    const space = { directory: join(directory, "room"), mostBytes: 1 << 19 };
    run("mkdir", "room");
    const path = await file("large.gz", gzipSync(disk));
    await assert.rejects(openImage(path, { space }), { code: "TEMPORARY_SPACE" });
    const image = await openImage(path, { space: { directory: space.directory, mostBytes: 5 << 18 } });
    // The file has no name while it is read: no crash can leave it behind. Its zeros took no room.
    assert.deepEqual(await readdir(space.directory), []);
    assert.equal(await digestOf(image.source), digest);
    await image.close();
  });

  test("what packs itself has an end", async () => {
    let bytes: Uint8Array = disk;
    for (let layer = 0; layer < 12; layer += 1) bytes = gzipSync(bytes);
    await assert.rejects(openImage(await file("matryoshka.gz", bytes)), { code: "IMAGE_LAYERS" });
  });
});

describe("encrypted", () => {
  test("a wrong passphrase may be tried three times, the same one once more only", async () => {
    const path = await file("sealed.dmg", sealed(disk, { passphrase: "right", iterations: 10 }));
    const attempts: number[] = [];
    const asked = (answers: readonly string[]) => async (attempt: number) => {
      attempts.push(attempt);
      return answers[attempt - 1]!;
    };
    const image = await openImage(path, { passphrase: asked(["a", "b", "right"]) });
    assert.equal(await digestOf(image.source), digest);
    await image.close();
    assert.deepEqual(attempts.splice(0), [1, 2, 3]);
    await assert.rejects(openImage(path, { passphrase: asked(["a", "b", "c", "right"]) }), {
      code: "PASSPHRASE_WRONG",
    });
    assert.deepEqual(attempts.splice(0), [1, 2, 3]);
    await assert.rejects(openImage(path, { passphrase: asked(["a", "a", "right"]) }), {
      code: "PASSPHRASE_WRONG",
    });
    assert.deepEqual(attempts, [1, 2]);
    await assert.rejects(openImage(path), { code: "PASSPHRASE_MISSING" });
  });

  test("a key that was damaged after it was locked opens noise, which is no disk", async () => {
    const bytes = sealed(disk, { passphrase: "right", iterations: 10 });
    bytes[4096 + 104 + 3]! ^= 1;
    await assert.rejects(readAll(await file("noise.dmg", bytes), "right"), { code: "ENCRYPTED_HEADER" });
    const empty = sealed(Buffer.alloc(1 << 20), { passphrase: "right", iterations: 10 });
    assert.equal((await readAll(await file("empty.dmg", empty), "right")).sizeBytes, 1 << 20);
  });
});

describe("disks of virtual machines", { skip: !hasProgram("qemu-nbd") && "no qemu-utils" }, () => {
  const made: readonly (readonly [string, string, ...string[]])[] = [
    ["plain.qcow2", "qcow2"],
    ["packed.qcow2", "qcow2", "-c"],
    ["disk.vhdx", "vhdx"],
    ["fixed.vhd", "vpc", "-o", "subformat=fixed,force_size"],
    ["dynamic.vhd", "vpc", "-o", "force_size"],
    ["sparse.vmdk", "vmdk"],
    ["stream.vmdk", "vmdk", "-o", "subformat=streamOptimized"],
    ["flat.vmdk", "vmdk", "-o", "subformat=monolithicFlat"],
    ["disk.vdi", "vdi"],
  ];
  before(async () => {
    await file("virtual.raw", disk);
    for (const [name, format, ...more] of made)
      run("qemu-img", "convert", "-f", "raw", "-O", format, ...more, "virtual.raw", name);
  });

  for (const [name, format] of made) {
    test(`${name} reads as it was`, async () => {
      const found = await readAll(join(directory, name));
      assert.deepEqual([found.format, found.digest], [format === "vpc" ? "vhd" : format, digest]);
    });
  }

  test("in a gzip, and encrypted", async () => {
    const bytes = await readFile(join(directory, "plain.qcow2"));
    assert.equal((await readAll(await file("plain.qcow2.gz", gzipSync(bytes)))).digest, digest);
    const path = await file("sealed.qcow2", sealed(bytes, { passphrase: "right", iterations: 10 }));
    const found = await readAll(path, "right");
    assert.deepEqual([found.format, found.digest], ["encrypted qcow2", digest]);
  });

  test("cut off, they are refused instead of read as zeros", async () => {
    for (const name of ["plain.qcow2", "packed.qcow2", "disk.vhdx", "dynamic.vhd", "sparse.vmdk", "disk.vdi"]) {
      const bytes = await readFile(join(directory, name));
      // The first of these cuts leaves nothing but a header.
      for (const share of [0.3, 0.6]) {
        const path = await file(`cut-${name}`, bytes.subarray(0, Math.floor(bytes.length * share)));
        await assert.rejects(readAll(path), { code: "VIRTUAL_DISK_DAMAGED" }, `${name} ${share}`);
      }
    }
    await truncate(join(directory, "flat-flat.vmdk"), 1 << 20);
    await assert.rejects(openImage(join(directory, "flat.vmdk")), { code: "VIRTUAL_DISK_DAMAGED" });
  });

  test("one that points at other files of this machine is refused", async () => {
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", "backed.qcow2");
    await assert.rejects(openImage(join(directory, "backed.qcow2")), { code: "VIRTUAL_DISK_PARTS" });
    const descriptor = (await readFile(join(directory, "flat.vmdk"), "latin1")).replace(
      "flat-flat.vmdk",
      "/etc/passwd",
    );
    await assert.rejects(openImage(await file("evil.vmdk", Buffer.from(descriptor, "latin1"))), {
      code: "VIRTUAL_DISK_PARTS",
    });
  });
});

describe("partclone itself", { skip: !hasProgram("partclone.ext4") && "no partclone" }, () => {
  test("what it makes is read, in pieces and compressed, too; free blocks are zeros", async () => {
    run("truncate", "-s", "24M", "volume.ext4");
    run("mkfs.ext4", "-q", "-F", "volume.ext4");
    await file("content", randomBytes(3_000_000));
    run("debugfs", "-w", "-R", "write content content", "volume.ext4");
    run("partclone.ext4", "-c", "-s", "volume.ext4", "-o", "volume.pcl", "-L", "/dev/null");
    // It ends a file behind the last used block, and asks an uninitialised `stat` what a missing one is
    // (partclone.c 0.3.23, open_target): the file is there before, at its full size.
    run("truncate", "-s", "24M", "restored.ext4");
    run("partclone.restore", "-C", "-s", "volume.pcl", "-O", "restored.ext4", "-L", "/dev/null");
    const theirs = createHash("sha256")
      .update(await readFile(join(directory, "restored.ext4")))
      .digest("hex");
    const found = await readAll(join(directory, "volume.pcl"));
    assert.deepEqual([found.format, found.kind, found.digest], ["partclone ext2/3/4", "volume", theirs]);
    await file("volume.pcl.zst", zstdCompressSync(await readFile(join(directory, "volume.pcl"))));
    assert.equal((await readAll(join(directory, "volume.pcl.zst"))).digest, theirs);
    await file("volume.pcl.gz", gzipSync(await readFile(join(directory, "volume.pcl"))));
    run("split", "-b", "1M", "volume.pcl.gz", "volume.pcl.gz.");
    const split = await readAll(join(directory, "volume.pcl.gz.aa"));
    assert.equal(split.digest, theirs);
    assert.match(split.layers[0]!, /^\d+ pieces$/);
  });
});

test("a segmented .dmg: all of its files, or which one is missing", async () => {
  const tables = [{ name: "whole disk (Apple_HFS : 0)", runs: [{ type: RUN.zlib, sectors: 8192, plain: disk }] }];
  const { files } = buildUdif(tables, { segments: 3, variant: 2 });
  const names = ["three.dmg", "three.002.dmgpart", "three.003.dmgpart"];
  for (const [index, name] of names.entries()) await file(name, files[index]!);
  const found = await readAll(join(directory, "three.dmg"));
  assert.deepEqual([found.format, found.kind, found.digest], ["udzo", "volume", digest]);
  await rm(join(directory, "three.003.dmgpart"));
  await assert.rejects(openImage(join(directory, "three.dmg")), { code: "UDIF_SEGMENTS", what: /Segment 3 of 3/ });
});

/** A block of LZVN, LZFSE's small form, that has only literals, and the end. */
function literalLzfse(plain: Uint8Array): Buffer {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < plain.length; at += 256) pieces.push(Buffer.from([0xe0, 240]), plain.subarray(at, at + 256));
  const payload = Buffer.concat([...pieces, Buffer.from([6, 0, 0, 0, 0, 0, 0, 0])]);
  const head = Buffer.from("bvxn\0\0\0\0\0\0\0\0");
  head.writeUInt32LE(plain.length, 4);
  head.writeUInt32LE(payload.length, 8);
  return Buffer.concat([head, payload, Buffer.from("bvx$")]);
}

test("LZFSE goes through 7zz, from a gzip, too", { skip: !hasProgram("7zz") && "no 7zip" }, async () => {
  const runs = [0, 1, 2, 3].map((part) => {
    const plain = disk.subarray(part << 20, (part + 1) << 20);
    return { type: RUN.lzfse, sectors: 2048, plain, stored: literalLzfse(plain) };
  });
  const { files } = buildUdif([{ name: "whole disk (Apple_HFS : 0)", runs }], { variant: 2 });
  for (const path of [await file("ulfo.dmg", files[0]!), await file("ulfo.dmg.gz", gzipSync(files[0]!))]) {
    const found = await readAll(path);
    assert.deepEqual([found.format, found.digest], ["ulfo", digest]);
  }
  const bad = Buffer.from(files[0]!);
  bad[1_500_000]! ^= 1;
  await assert.rejects(openImage(await file("bad-ulfo.dmg", bad)), { code: "UDIF_CHUNK" });
});

test("what is no disk image is refused by its name", async () => {
  const tar = Buffer.alloc(10240);
  tar.write("ustar", 257);
  for (const [name, bytes, format] of [
    ["files.tar", tar, /tar archive/],
    ["files.tar.gz", gzipSync(tar), /tar archive/],
    ["disk.bz2", Buffer.from("BZh91AY&SY"), /bzip2/],
    ["disk.7z", Buffer.from("377abcaf271c0004", "hex"), /7-Zip/],
  ] as const)
    await assert.rejects(
      openImage(await file(name, bytes)),
      (fault: Fault) => fault.code === "IMAGE_FORMAT" && format.test(fault.why),
    );
  await assert.rejects(openImage(await file("odd.raw", Buffer.alloc(1000))), { code: "IMAGE_SIZE" });
  await assert.rejects(openImage(directory), { code: "FILE_KIND" });
  await assert.rejects(openImage(join(directory, "none")), { code: "FILE_MISSING" });
});
