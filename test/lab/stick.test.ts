import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildBootImage } from "../../scripts/boot-image/build.ts";
import { ConsoleText } from "../../scripts/lab/console.ts";
import { emulatedCpu, givingWay, saidWhole, uefiFiles } from "../../scripts/lab/qemu.ts";
import { loadSiteKey } from "../../server/store/keys.ts";
import { goldenDisk } from "../agent/stream/local-stream.ts";
import { bootcast } from "../cli/program.ts";

const minutes = 60_000;
const diskBytes = 32 * 1024 * 1024;
const cacheDir = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "bootcast", "boot-image");

/** A stick as the command makes it, in machines that start from it: a person chooses, and the disk holds the image. */
describe("a boot stick", () => {
  let folder: string;
  const bytes = Buffer.from(goldenDisk(16 * 1024 * 1024).bytes);
  const path = (name: string) => join(folder, name);

  before(
    async () => {
      folder = await mkdtemp(join(tmpdir(), "bootcast-stick-"));
      await writeFile(path("golden.raw"), bytes);
      const imported = await bootcast([
        "image",
        "import",
        path("golden.raw"),
        "--name",
        "lab",
        "--data-dir",
        path("data"),
      ]);
      assert.equal(imported.code, 0, imported.stderr);
      const { trusted } = await loadSiteKey(path("data"));
      const siteKey = trusted.map((key) => key.export({ type: "spki", format: "pem" }).toString()).join("");
      const outputDir = path("data/boot");
      await buildBootImage({ outputDir, cacheDir, siteKey, version: "1.2.3", say: () => undefined });
      const words = ["--image", "lab", "--arguments", "console=tty0 console=ttyS0", "--data-dir", path("data")];
      const made = await bootcast(["boot-image", "usb", "--out", path("stick.img"), ...words]);
      assert.equal(made.code, 0, made.stderr);
      assert.match(made.stdout, /stick\.img: \d.* with lab:1$/m);
      assert.match(made.stderr, /is of bootcast 1\.2\.3; this is /);
    },
    { timeout: 20 * minutes },
  );
  after(() => rm(folder, { recursive: true, force: true }));

  test("a file that is there is replaced only when that is said", async () => {
    const { code, stderr } = await bootcast([
      "boot-image",
      "usb",
      "--out",
      path("golden.raw"),
      "--data-dir",
      path("data"),
    ]);
    assert.deepEqual([code, /\[FILE_EXISTS\]/.test(stderr)], [1, true], stderr);
    assert.equal(Buffer.compare(await readFile(path("golden.raw")), bytes), 0);
  });

  test("Linux' own tools find nothing wrong with it", async () => {
    const tool = (name: string, words: readonly string[]) => execFileSync(name, [...words], { encoding: "utf8" });
    assert.match(tool("sfdisk", ["--verify", path("stick.img")]), /No errors detected/);
    const volume = path("volume.img");
    await writeFile(volume, (await readFile(path("stick.img"))).subarray(1024 * 1024));
    tool("fsck.vfat", ["-n", volume]);
    const files = tool("mdir", ["-i", volume, "-b", "-/"]);
    for (const name of ["EFI/BOOT/BOOTX64.EFI", "boot/grub/grub.cfg", "images/lab-1.bootcast/packs.000"])
      assert(files.includes(`::/${name}\n`), files);
    await rm(volume);
  });

  test("starts a BIOS machine without a network card", { timeout: 6 * minutes }, async () => {
    const screen = await restoreBy(["-M", "q35,graphics=off", "-nic", "none"]);
    assert.match(screen, /bootcast: network after \d+ s, none: no network card found/);
    assert.match(screen, /, BIOS\n/);
  });

  test("starts a UEFI machine with Secure Boot", { timeout: 6 * minutes }, async () => {
    const { code, variables } = uefiFiles["uefi-secure"];
    await copyFile(variables, path("variables.fd"));
    const screen = await restoreBy([
      ...["-M", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"],
      ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${code}`],
      ...["-drive", `if=pflash,unit=1,format=raw,file=${path("variables.fd")}`],
      ...["-nic", "user,model=e1000e,restrict=on"],
    ]);
    assert.match(screen, /Secure boot enabled/);
    assert.match(screen, /, UEFI\n/);
    assert.match(screen, /network {3}eth0 \S+, 10\.0\.2\.15/);
  });

  /** Starts a machine from the stick, answers its questions on the serial console, and looks at its disk. */
  async function restoreBy(machine: readonly string[]): Promise<string> {
    await writeFile(path("disk.raw"), Buffer.alloc(diskBytes, 0xee));
    const words = [
      ...["-accel", "tcg,thread=multi", "-cpu", emulatedCpu, "-m", "1024", "-nodefaults", "-display", "none"],
      ...["-serial", "stdio", "-no-reboot", ...machine],
      ...["-drive", `if=none,id=stick,format=raw,snapshot=on,file=${path("stick.img")}`, "-device", "qemu-xhci"],
      ...["-device", "usb-storage,drive=stick,removable=on,bootindex=0"],
      ...["-drive", `if=none,id=disk,format=raw,file=${path("disk.raw")}`],
      ...["-device", "virtio-blk-pci,drive=disk,serial=TARGET"],
    ];
    const qemu = spawn(...saidWhole(givingWay("qemu-system-x86_64", words)));
    const exited = once(qemu, "exit");
    const text = new ConsoleText("stick");
    qemu.stdout.on("data", (part: Buffer) => text.append(part));
    try {
      let from = 0;
      const answer = async (question: RegExp, typed: string, deadlineMs: number) => {
        const found = await text.waitFor(question, { deadlineMs, what: `the question ${question}`, from });
        from += (found.index ?? 0) + found[0].length;
        qemu.stdin.write(`${typed}\n`);
      };
      await answer(/Image \(number, or .*q ends\): /, "1", 4 * minutes);
      await answer(/Disk \(number, or .*q ends\): /, "1", minutes);
      await answer(/Erase contents of \/dev\/vda .*\[ny\]: /, "y", minutes);
      await answer(/holds lab:1 now\.(?:.|\n)*switch it off: /, "r", 2 * minutes);
      await exited;
    } finally {
      qemu.kill("SIGKILL");
    }
    const disk = await readFile(path("disk.raw"));
    assert.equal(Buffer.compare(disk.subarray(0, bytes.length), bytes), 0);
    assert.match(text.text, /reboot: Restarting system/);
    // The stick itself is shown and cannot be chosen.
    assert.match(
      text.text,
      / - {2}\/dev\/sda .* usb .*\n.*"BOOTCAST"\n {6}cannot be chosen: this machine was started from it/,
    );
    return text.text;
  }
});
