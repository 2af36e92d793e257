import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  type KernelModule,
  modulesAlias,
  modulesDep,
  readModule,
  selectModules,
} from "../../../scripts/boot-image/modules.ts";

const module = (name: string, folder: string, more: Partial<KernelModule> = {}): KernelModule => ({
  name,
  path: `kernel/${folder}/${name}.ko`,
  depends: [],
  softDepends: [],
  aliases: [],
  firmware: [],
  ...more,
});

// A diamond, as virtio_blk's in real kernels: virtio_pci and virtio_blk both need virtio_ring, which needs virtio.
const all = [
  module("virtio", "drivers/virtio"),
  module("virtio_ring", "drivers/virtio", { depends: ["virtio"] }),
  module("virtio_pci", "drivers/virtio", { depends: ["virtio", "virtio_ring"], aliases: ["pci:v00001AF4d*"] }),
  module("virtio_blk", "drivers/block", { depends: ["virtio_ring", "virtio"], aliases: ["virtio:d00000002v*"] }),
  module("ext4", "fs/ext4", { depends: ["jbd2"], softDepends: ["crc32c"], aliases: ["fs-ext4"] }),
  module("jbd2", "fs/jbd2"),
  module("crc32c_generic", "crypto", { aliases: ["crc32c", "crypto-crc32c"] }),
  module("crc32c_intel", "arch/x86/crypto", { aliases: ["crc32c", "cpu:type:x86,*"] }),
  module("unused", "fs/unused", { depends: ["virtio"] }),
];
const names = (modules: readonly KernelModule[]): string[] => modules.map(({ name }) => name).sort();

test("a module's description becomes names, aliases and firmware", () => {
  const { module: sample } = JSON.parse(readFileSync(new URL("../../vectors/elf.json", import.meta.url), "utf8"));
  assert.deepEqual(readModule("kernel/drivers/net/sample-card.ko", Buffer.from(sample.base64, "base64")), {
    name: "sample_card",
    path: "kernel/drivers/net/sample-card.ko",
    depends: ["virtio", "virtio_ring"],
    softDepends: ["crc32c", "other-one"],
    aliases: ["pci:v00001AF4d*sv*sd*bc*sc*i*", "crypto-sample"],
    firmware: ["sample/one.bin"],
  });
});

test("what a module needs is selected with it, soft needs by alias, too", () => {
  const { selected, absent } = selectModules(all, ["virtio-blk", "ext4"], new Set());
  assert.deepEqual(names(selected), [
    ...["crc32c_generic", "crc32c_intel", "ext4", "jbd2", "virtio", "virtio_blk", "virtio_ring"],
  ]);
  assert.deepEqual(absent, []);
});

test("a folder selects all that is in it", () => {
  const { selected, absent } = selectModules(all, ["drivers/virtio/", "drivers/nothing/"], new Set());
  assert.deepEqual(names(selected), ["virtio", "virtio_pci", "virtio_ring"]);
  assert.deepEqual(absent, ["drivers/nothing/"]);
});

test("what is built into the kernel is neither absent nor missing", () => {
  const wanted = ["nls-utf8", "ext4", "rtc_cmos"];
  const withoutJournal = all.filter(({ name }) => name !== "jbd2");
  assert.deepEqual(selectModules(withoutJournal, wanted, new Set(["jbd2", "nls_utf8"])).absent, ["rtc_cmos"]);
  assert.throws(() => selectModules(withoutJournal, wanted, new Set()), { code: "MODULE_MISSING" });
});

test("modules.dep: every module stands left of what it needs itself", () => {
  const { selected } = selectModules(all, ["virtio_blk", "virtio_pci"], new Set());
  assert.equal(
    modulesDep(selected),
    "kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\n" +
      "kernel/drivers/virtio/virtio.ko:\n" +
      "kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko\n" +
      "kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko\n",
  );
});

test("a circle of dependencies ends", () => {
  const circle = [module("a", "fs", { depends: ["b"] }), module("b", "fs", { depends: ["a"] })];
  const { selected } = selectModules(circle, ["a"], new Set());
  assert.equal(modulesDep(selected), "kernel/fs/a.ko: kernel/fs/b.ko\nkernel/fs/b.ko: kernel/fs/a.ko\n");
});

test("modules.alias has one line for each alias", () => {
  const { selected } = selectModules(all, ["virtio_blk"], new Set());
  assert.equal(modulesAlias(selected), "alias virtio:d00000002v* virtio_blk\n");
});
