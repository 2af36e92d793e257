import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { readDiskLayout } from "../../../../images/partition-table.ts";
import { bindGrub } from "../../../../scripts/boot-image/stick/grub-bios.ts";
import { grubMenu } from "../../../../scripts/boot-image/stick/menu.ts";
import { planStick, type StickFile, stickBytesFor } from "../../../../scripts/boot-image/stick/plan.ts";
import { verifyStick, writeStick } from "../../../../scripts/boot-image/stick/write.ts";
import { MemoryDisk } from "../../../images/memory.ts";

const MEBIBYTE = 2 ** 20;
const identity = {
  diskGuid: "60D1DE00-0000-4000-8000-000000000000",
  biosGuid: "60D1DE00-0000-4000-8000-000000000001",
  espGuid: "60D1DE00-0000-4000-8000-000000000002",
  volumeId: 0x60d1de02,
  createdAt: new Date("2026-03-04T05:06:08Z"),
};
const bios = { boot: Buffer.alloc(512, 0x90), core: Buffer.alloc(40_000, 0xc0) };
const { signal } = new AbortController();

function file(path: string, content: Uint8Array): StickFile {
  return {
    path,
    sizeBytes: content.length,
    async *content() {
      // In parts that fit nothing.
      for (let at = 0; at < content.length; at += 70_001) yield content.subarray(at, at + 70_001);
    },
  };
}

function noise(seed: string, length: number): Buffer {
  const block = createHash("sha512").update(seed).digest();
  return Buffer.alloc(length, block);
}

async function written(files: readonly StickFile[], diskBytes = stickBytesFor(files), hasBios = true) {
  // Not new: whatever is not written shows.
  const disk = new MemoryDisk(new Uint8Array(diskBytes).fill(0xee));
  const plan = planStick(diskBytes, files, hasBios ? bios : undefined, identity);
  const digests = await writeStick(disk, plan, { signal });
  return { disk, plan, digests };
}

describe("a boot stick", () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-stick-"));
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** What a tool prints of the stick, written to a file. */
  function tool(name: string, words: readonly string[]): string {
    return execFileSync(name, [...words], { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
  }

  function save(disk: MemoryDisk, plan: { readonly volumeAt: number }): { whole: string; volume: string } {
    const whole = join(directory, "stick.img");
    const volume = join(directory, "volume.img");
    writeFileSync(whole, disk.bytes);
    writeFileSync(volume, disk.bytes.subarray(plan.volumeAt));
    return { whole, volume };
  }

  const files = [
    file("boot/grub/grub.cfg", Buffer.from("set timeout=10\n")),
    file(".disk/info", Buffer.from("bootcast\n")),
    file("EFI/BOOT/BOOTX64.EFI", noise("shim", 900_001)),
    file("EFI/BOOT/grubx64.efi", noise("grub", 2_000_000)),
    file("boot/initrd.img", noise("initrd", 20 * MEBIBYTE)),
    file("images/a name that is long-1.bootcast/packs.000", noise("packs", 300_000)),
    file("images/a name that is long-2.bootcast/packs.000", noise("more", 1)),
    file("images/empty.raw", Buffer.alloc(0)),
  ];

  test("tools see its partitions and files, and find nothing wrong", async () => {
    const { disk, plan, digests } = await written(files);
    const { whole, volume } = save(disk, plan);
    assert.match(tool("sfdisk", ["--verify", whole]), /No errors detected/);
    const { scheme, partitions } = await readDiskLayout(disk);
    assert.equal(scheme, "gpt");
    assert.deepEqual(
      partitions.map(({ number, fileSystem, label }) => [number, fileSystem, label]),
      [
        [1, "", "BIOS boot"],
        [2, "vfat", "BOOTCAST"],
      ],
    );
    assert.match(tool("fsck.vfat", ["-n", "-v", volume]), /8 files|files, .*clusters/);
    assert.match(tool("mdir", ["-i", volume, "-b", "-/"]), /images\/a name that is long-2\.bootcast\/packs\.000/);
    for (const { path, content } of files) {
      const parts: Uint8Array[] = [];
      for await (const part of content()) parts.push(part);
      const copy = join(directory, "copy");
      tool("mcopy", ["-n", "-o", "-i", volume, `::/${path}`, copy]);
      assert.equal(Buffer.compare(readFileSync(copy), Buffer.concat(parts)), 0, path);
    }
    await verifyStick(disk, plan, digests, { signal });
  });

  for (const [name, mebibytes, cluster] of [
    ["a small one", 128, 512],
    ["one of 300 MiB", 300, 4096],
  ] as const) {
    test(`${name} has clusters of ${cluster} bytes`, async () => {
      const { disk, plan } = await written(files.slice(0, 3), mebibytes * MEBIBYTE);
      assert.equal(plan.volume.clusterBytes, cluster);
      tool("fsck.vfat", ["-n", save(disk, plan).volume]);
    });
  }

  test("many files in many folders", () =>
    fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.tuple(
            fc.array(fc.constantFrom("a", "B", "long folder name", "x.y"), { maxLength: 3 }),
            fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,60}[A-Za-z0-9]$/),
            fc.nat(3000),
          ),
          { selector: ([folders, name]) => [...folders, name].join("/").toLowerCase(), minLength: 8, maxLength: 120 },
        ),
        async (given) => {
          const taken = new Set(["a", "b", "long folder name", "x.y"]);
          const made = given
            .filter(([, name]) => !taken.has(name.toLowerCase()))
            .map(([folders, name, size]) => file([...folders, name].join("/"), noise(name, size)));
          const { disk, plan } = await written(made, 64 * MEBIBYTE);
          const { volume } = save(disk, plan);
          tool("fsck.vfat", ["-n", volume]);
          const listed = tool("mdir", ["-i", volume, "-b", "-a", "-/"])
            .split("\n")
            .filter((line) => /[^/]$/.test(line));
          assert.deepEqual(listed.map((line) => line.replace("::/", "")).sort(), made.map(({ path }) => path).sort());
        },
      ),
      { numRuns: 5, seed: 20_260_101 },
    ));

  test("its first sector is written last, when all else is safe", async () => {
    const order: (number | "flush")[] = [];
    class Watched extends MemoryDisk {
      override async write(offset: number, bytes: Uint8Array): Promise<void> {
        order.push(offset);
        return super.write(offset, bytes);
      }
      override async flush(): Promise<void> {
        order.push("flush");
      }
    }
    const disk = new Watched(new Uint8Array(128 * MEBIBYTE));
    await writeStick(disk, planStick(disk.sizeBytes, files, bios, identity), { signal });
    assert.deepEqual(order.slice(-4), [512, "flush", 0, "flush"]);
  });

  test("what it returns otherwise is noticed", async () => {
    const { disk, plan, digests } = await written(files);
    const places = [
      0,
      600,
      disk.sizeBytes - 100,
      40_000,
      plan.volumeAt + 20,
      plan.volumeAt + plan.volume.fileOffsets[3]! + 77,
    ];
    for (const at of places) {
      disk.bytes[at]! ^= 1;
      await assert.rejects(verifyStick(disk, plan, digests, { signal }), { code: "VERIFY_FAILED" }, String(at));
      disk.bytes[at]! ^= 1;
    }
  });

  test("too small, too large, or changed meanwhile: refused", async () => {
    assert.throws(() => planStick(30 * MEBIBYTE, [], undefined, identity), { code: "STICK_TOO_SMALL" });
    const large = { ...file("x", Buffer.alloc(0)), sizeBytes: 200 * MEBIBYTE };
    assert.throws(() => planStick(128 * MEBIBYTE, [large], undefined, identity), { code: "STICK_TOO_SMALL" });
    const huge = { ...large, sizeBytes: 2 ** 32 };
    assert.throws(() => planStick(2 ** 34, [huge], undefined, identity), { code: "STICK_FILE_TOO_LARGE" });
    const shorter = { ...file("x", Buffer.alloc(10)), sizeBytes: 11 };
    await assert.rejects(written([shorter]), { code: "SOURCE_CHANGED" });
  });

  test("without a loader for BIOS the first sector starts nothing", async () => {
    const { disk } = await written(files, undefined, false);
    assert(disk.bytes.subarray(0, 440).every((byte) => byte === 0));
  });
});

test("GRUB is bound to its sectors", () => {
  const { bootCode, core } = bindGrub(bios.boot, bios.core, 34);
  assert.equal(bootCode.length, 440);
  assert.equal(new DataView(bootCode.buffer).getBigUint64(0x5c, true), 34n);
  assert.equal(core.length, 40_448);
  assert.equal(new DataView(core.buffer).getBigUint64(500, true), 35n);
});

test("the menu", () => {
  const menu = grubMenu({ architectures: ["amd64", "arm64"], kernelArguments: "console=ttyS0" });
  assert.match(
    menu,
    /linux \$boot\/vmlinuz bootcast\.local console=ttyS0\n {2}initrd \$boot\/initrd\.img \$boot\/local\.img/,
  );
  assert.match(menu, /set boot=\/boot\/arm64/);
  assert.doesNotMatch(grubMenu({ architectures: ["amd64"], kernelArguments: "" }), /arm64/);
  // Only the agent that registers shows a token.
  const enrolled = grubMenu({
    architectures: ["amd64"],
    kernelArguments: "quiet",
    enrolment: "rO6vX5fpZcv2S1p51M7L8Q",
  });
  assert.deepEqual(
    enrolled.split("\n").filter((line) => line.includes("vmlinuz")),
    ["  linux $boot/vmlinuz bootcast.local quiet", "  linux $boot/vmlinuz quiet bootcast.enrol=rO6vX5fpZcv2S1p51M7L8Q"],
  );
});
