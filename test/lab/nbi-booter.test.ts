import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pino } from "pino";
import { buildNbi } from "../../scripts/boot-image/nbi.ts";
import { labProblem } from "../../scripts/lab/namespace.ts";
import { givingWay, saidWhole, uefiFiles } from "../../scripts/lab/qemu.ts";
import { BootTexts } from "../../server/boot/boot-texts.ts";
import { NbiLibrary } from "../../server/boot/nbi-library.ts";
import { bootRoutes } from "../../server/boot/routes.ts";
import { createHttp } from "../../server/http/http.ts";

/**
 * The bundle that `boot-image build --nbi` writes, made from Debian's packages, and its booter in a machine that some
 * other server started: QEMU's own DHCP and TFTP give it the booter and know nothing of us.
 */
const minutes = 60_000;
const MAC = "52:54:00:12:34:66";
const cacheDir = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "bootcast", "boot-image");

describe("the booter for other NetBoot servers", { skip: labProblem("machines") ?? false }, () => {
  let home: string;
  const log = pino({ level: "silent" });
  const app = createHttp(log);
  const asked: string[] = [];
  const hasAll = Promise.withResolvers<void>();
  let port: number;
  const build = (efi: "x64" | "fat") =>
    buildNbi({
      outputDir: join(home, efi),
      cacheDir,
      // Where QEMU's network has the machine that it runs on.
      server: `http://10.0.2.2:${port}`,
      index: 4160,
      name: "bootcast",
      efi,
      version: "1.2.3",
      say: () => undefined,
    });

  before(async () => {
    home = await mkdtemp(join(tmpdir(), "bootcast-nbi-booter-"));
    await mkdir(join(home, "boot"));
    // No kernel: GRUB says so and asks again.
    await writeFile(join(home, "boot/vmlinuz"), "no kernel");
    app.addHook("onRequest", async ({ method, url }) => {
      asked.push(`${method} ${url}`);
      if (url === "/boot/vmlinuz") hasAll.resolve();
    });
    const policyOf = async () => ({ boot: "agent" }) as const;
    const texts = new BootTexts({ policyOf, kernelArgs: "", passServer: true });
    await app.register(bootRoutes, { directory: join(home, "boot"), texts, log });
    await app.listen({ host: "127.0.0.1", port: 0 });
    port = (app.server.address() as AddressInfo).port;
  });
  after(async () => {
    await app.close();
    await rm(home, { recursive: true, force: true });
  });

  test("the bundle passes our own reader; fat, it holds a program for 32-bit and one for 64-bit EFI", {
    timeout: 5 * minutes,
  }, async () => {
    await build("fat");
    const library = new NbiLibrary({ folders: [join(home, "fat")], httpPort: () => 8440, now: () => 0 });
    await library.scan();
    assert.deepEqual(
      library.images.map(({ index, type, bootFile }) => ({ index, type, bootFile })),
      [{ index: 4160, type: "BootFileOnly", bootFile: "NetBoot/fat/bootcast.nbi/i386/booter" }],
    );
    const program = await readFile(join(home, "fat/bootcast.nbi/i386/booter"));
    const machineAt = (at: number) => program.readUInt16LE(at + program.readUInt32LE(at + 0x3c) + 4);
    assert.equal(machineAt(program.readUInt32LE(16)), 0x014c);
    assert.equal(machineAt(program.readUInt32LE(36)), 0x8664);
  });

  test("it gets an address by itself, asks our server what its machine boots, and fetches that", {
    timeout: 6 * minutes,
  }, async (t) => {
    const { folder } = await build("x64");
    await copyFile(join(folder, "i386/booter"), join(home, "booter.efi"));
    const { code, variables } = uefiFiles.uefi;
    await copyFile(variables, join(home, "variables.fd"));
    const flash = (file: string, more = "") => ["-drive", `if=pflash,format=raw,file=${file}${more}`];
    const words = [
      ...["-M", "q35", "-accel", "tcg", "-m", "512", "-display", "none", "-no-reboot"],
      ...["-serial", `file:${join(home, "console")}`],
      ...flash(code, ",readonly=on"),
      ...flash(join(home, "variables.fd")),
      ...["-netdev", `user,id=n,ipv6=off,tftp=${home},bootfile=booter.efi`],
      ...["-device", `virtio-net-pci,netdev=n,mac=${MAC},romfile=,bootindex=1`],
    ];
    const machine = spawn(...saidWhole(givingWay("qemu-system-x86_64", words)));
    const ended = once(machine, "exit");
    const deadline = AbortSignal.timeout(3 * minutes);
    deadline.addEventListener("abort", () => hasAll.reject(new Error(`in three minutes it asked for: ${asked}`)));
    try {
      await hasAll.promise;
    } finally {
      machine.kill();
      await ended;
      t.diagnostic((await readFile(join(home, "console"), "latin1")).split("\n").slice(-6).join("\n"));
    }
    assert.deepEqual(asked.slice(0, 2), [`GET /boot/grub.cfg?mac=${MAC}`, "GET /boot/vmlinuz"]);
  });
});
