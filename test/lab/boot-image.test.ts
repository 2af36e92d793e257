import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildBootImage } from "../../scripts/boot-image/build.ts";
import type { BootImage } from "../../scripts/boot-image/description.ts";
import { essentialModules, programs } from "../../scripts/boot-image/recipe.ts";

const minutes = 60_000;
const siteKey = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";

/** Runs in the machine instead of the agent: says what it finds, and ends badly. */
const standIn = `
const { spawnSync } = require("node:child_process");
const { readFileSync, readdirSync } = require("node:fs");
const absent = (words, test) => words.filter((word) => !test(word));
const works = (program, ...args) => spawnSync(program, args).error === undefined;
console.log("REPORT " + JSON.stringify({
  node: process.versions.node,
  koffi: require("koffi").version,
  absentPrograms: absent(${JSON.stringify(programs)}, (name) => works(name, "--version")),
  absentModules: absent(${JSON.stringify(essentialModules)}, (name) => spawnSync("modprobe", [name]).status === 0),
  fileSystems: readFileSync("/proc/filesystems", "utf8").split(/\\s+/),
  blockDevices: readdirSync("/sys/block"),
  version: readFileSync("/etc/bootcast/version", "utf8").trim(),
  siteKey: readFileSync("/etc/bootcast/site.pub", "utf8"),
  receiveBuffer: Number(readFileSync("/proc/sys/net/core/rmem_max", "utf8")),
  lease: readFileSync("/run/bootcast/network", "utf8"),
  uptimeSeconds: Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]),
}));
process.exitCode = 3;
`;

describe("the boot image", () => {
  let folder: string;
  let image: BootImage;
  const cacheDir = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "bootcast", "boot-image");
  const build = (outputDir: string, cache: string): Promise<BootImage & { isUnchanged: boolean }> => {
    const agentFile = join(folder, "agent.cjs");
    return buildBootImage({ outputDir, cacheDir: cache, agentFile, siteKey, version: "1.2.3", say: () => undefined });
  };

  before(
    async () => {
      folder = await mkdtemp(join(tmpdir(), "bootcast-boot-image-"));
      await writeFile(join(folder, "agent.cjs"), standIn);
      image = await build(join(folder, "boot"), cacheDir);
    },
    { timeout: 20 * minutes },
  );
  after(() => rm(folder, { recursive: true, force: true }));

  test("nothing is built again when nothing has changed", async () => {
    const again = await build(join(folder, "boot"), cacheDir);
    assert.equal(again.isUnchanged, true);
    assert.deepEqual({ ...again, isUnchanged: undefined }, { ...image, isUnchanged: undefined });
  });

  test("the same inputs give the same bytes, made from the packages anew", { timeout: 20 * minutes }, async () => {
    const emptyCache = join(folder, "cache");
    await mkdir(emptyCache);
    await symlink(join(cacheDir, "packages"), join(emptyCache, "packages"));
    const again = await build(join(folder, "again"), emptyCache);
    assert.deepEqual({ ...again, isUnchanged: undefined }, { ...image, isUnchanged: undefined });
  });

  test("boots with 1 GiB, has its drivers and tools, and restarts when the agent fails", {
    timeout: 6 * minutes,
  }, async () => {
    const boot = join(folder, "boot");
    await writeFile(join(folder, "disk.raw"), new Uint8Array(1 << 20));
    const screen = await runMachine([
      ...["-kernel", join(boot, "vmlinuz"), "-initrd", join(boot, "initramfs.img")],
      // Two consoles: what is said goes to both.
      ...["-append", "console=ttyS0 console=tty0 console=ttyS0 BOOTIF=01-52-54-00-bc-00-99"],
      // QEMU's own DHCP server; restricted, so nothing gets out.
      ...["-nic", "user,model=e1000e,mac=52:54:00:bc:00:99,restrict=on"],
      ...["-drive", `file=${join(folder, "disk.raw")},format=raw,if=none,id=disk`],
      ...["-device", "nvme,drive=disk,serial=1"],
    ]);
    const report = JSON.parse(/REPORT (\{.*\})/.exec(screen)?.[1] ?? assert.fail(`no report:\n${screen}`));
    assert.equal(report.node, image.node);
    assert.equal(report.koffi, image.koffi);
    assert.deepEqual(report.absentPrograms, []);
    // This machine has no UEFI, which efivarfs finds out and refuses to be loaded.
    assert.deepEqual(report.absentModules, ["efivarfs"]);
    for (const name of ["hfsplus", "ext4", "vfat", "fuse"]) assert(report.fileSystems.includes(name), name);
    assert(report.blockDevices.includes("nvme0n1"));
    assert.equal(report.version, "1.2.3");
    assert.equal(report.siteKey, siteKey);
    assert.equal(report.receiveBuffer, 64 * 1024 * 1024);
    assert.match(report.lease, /^address=10\.0\.2\.15$/m);
    assert.match(screen, /bootcast: network up after \d+ s, 10\.0\.2\.15/);
    assert.match(screen, /bootcast: the agent ended with code 3/);
    assert.match(screen, /reboot: Restarting system/);
    // 7 to 21 s were measured under emulation, on two cores that had other work as well.
    assert(report.uptimeSeconds < 120, `the agent began after ${report.uptimeSeconds} s`);
  });
});

/** Runs until the machine restarts itself, and gives what it wrote on its serial console. */
function runMachine(parts: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const machine = ["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1024", "-nographic", "-no-reboot"];
  const limits = { timeout: 5 * minutes, maxBuffer: 1 << 24 };
  execFile("qemu-system-x86_64", [...machine, ...parts], limits, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else reject(new Error(`qemu: ${error.message}\n${stderr}\n${stdout.slice(-4000)}`));
  });
  return promise;
}
