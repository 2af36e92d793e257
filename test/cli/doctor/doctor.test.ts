import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fastify } from "fastify";
import { pino } from "pino";
import { isUnreachable, type ProbeResult, probeBootFiles } from "../../../cli/doctor/boot-probes.ts";
import { BootTexts } from "../../../server/boot/boot-texts.ts";
import { bootRoutes } from "../../../server/boot/routes.ts";
import { startTftp, type TftpServer } from "../../../server/tftp/server.ts";

const home = await mkdtemp(join(tmpdir(), "bootcast-doctor-"));
const log = pino({ level: "silent" });
const app = fastify({ forceCloseConnections: true });
let tftp: TftpServer;
let httpPort: number;

const target = () => ({ server: "127.0.0.1", tftpPort: tftp.port, httpPort, deadlineMs: 8000 });

before(async () => {
  await app.register(bootRoutes, {
    directory: home,
    texts: new BootTexts({ policyOf: async () => ({ boot: "agent" }), kernelArgs: "", passServer: true }),
    log,
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  httpPort = (app.server.address() as AddressInfo).port;
  tftp = await startTftp({ addresses: ["127.0.0.1"], port: 0, root: home, log, now: () => performance.now() });
});

after(async () => {
  await tftp.stop();
  await app.close();
  await rm(home, { recursive: true, force: true });
});

/** The smallest file that is an EFI program for `machine` by its head. */
function efiProgram(machine: number): Buffer {
  const bytes = Buffer.alloc(3000);
  bytes.write("MZ");
  bytes.writeUInt32LE(0x80, 0x3c);
  bytes.write("PE\0\0", 0x80);
  bytes.writeUInt16LE(machine, 0x84);
  return bytes;
}

function kernel(): Buffer {
  const bytes = Buffer.alloc(5000);
  bytes.write("HdrS", 0x202);
  return bytes;
}

beforeEach(async () => {
  for (const name of ["x64", "ia32", "arm64"]) await mkdir(join(home, name), { recursive: true });
  await writeFile(join(home, "undionly.kpxe"), Buffer.alloc(70_000, 1));
  await writeFile(join(home, "x64/snponly.efi"), efiProgram(0x8664));
  await writeFile(join(home, "x64/disk.efi"), efiProgram(0x8664));
  await writeFile(join(home, "ia32/grub.efi"), efiProgram(0x014c));
  await writeFile(join(home, "arm64/grub.efi"), efiProgram(0xaa64));
  await writeFile(join(home, "x64/shimx64.efi"), efiProgram(0x8664));
  await writeFile(join(home, "arm64/shimaa64.efi"), efiProgram(0xaa64));
  await writeFile(join(home, "vmlinuz"), kernel());
  await writeFile(join(home, "initramfs.img"), Buffer.concat([Buffer.from("28b52ffd", "hex"), Buffer.alloc(100)]));
});

function statuses(results: readonly ProbeResult[]): Record<string, string> {
  return Object.fromEntries(results.map(({ probe, status }) => [probe, status]));
}

const allWell = {
  "tftp undionly.kpxe": "ok",
  "tftp x64/snponly.efi": "ok",
  "tftp ia32/grub.efi": "ok",
  "tftp arm64/grub.efi": "ok",
  "tftp x64/disk.efi": "ok",
  "tftp x64/shimx64.efi": "ok",
  "tftp arm64/shimaa64.efi": "ok",
  "http script": "ok",
  "http vmlinuz": "ok",
  "http initramfs.img": "ok",
};

test("doctor: all is well", async () => {
  const results = await probeBootFiles(target());
  assert.deepEqual(statuses(results), allWell);
  assert.match(results[0]!.detail, /^70000 bytes, \d+ ms$/);
  assert.match(results[7]!.detail, /an unknown machine starts the agent/);
});

test("doctor: what is missing or wrong is named, with a fix", async () => {
  await rm(join(home, "arm64/grub.efi"));
  await rm(join(home, "x64/disk.efi"));
  await rm(join(home, "undionly.kpxe"));
  await rm(join(home, "x64/shimx64.efi"));
  await writeFile(join(home, "x64/snponly.efi"), efiProgram(0x014c));
  await writeFile(join(home, "ia32/grub.efi"), "");
  await writeFile(join(home, "vmlinuz"), Buffer.alloc(5000));
  await rm(join(home, "initramfs.img"));
  const results = await probeBootFiles(target());
  assert.deepEqual(statuses(results), {
    ...allWell,
    "tftp undionly.kpxe": "fail",
    "tftp x64/snponly.efi": "fail",
    "tftp ia32/grub.efi": "fail",
    "tftp arm64/grub.efi": "warn",
    "tftp x64/disk.efi": "warn",
    "tftp x64/shimx64.efi": "warn",
    "http vmlinuz": "fail",
    "http initramfs.img": "fail",
  });
  for (const { status, fix } of results) assert.equal(fix === undefined, status === "ok");
  assert.match(results[1]!.detail, /not an EFI program for x64/);
  assert.match(results[4]!.detail, /may wait for minutes/);
  assert.match(results[5]!.detail, /Secure Boot cannot boot/);
  assert.match(results[3]!.fix!, /--arch amd64,arm64/);
  assert.match(results[9]!.detail, /answered 404/);
  assert.equal(isUnreachable(results), false);
});

test("doctor: nothing listens there", async () => {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const port = (free.address() as AddressInfo).port;
  free.close();
  const results = await probeBootFiles({ ...target(), tftpPort: port, httpPort: port, deadlineMs: 300 });
  for (const { status, fix } of results) {
    assert.equal(status, "fail");
    assert.match(fix ?? "", /bootcast serve/);
  }
  assert.equal(isUnreachable(results), true);
  const half = await probeBootFiles({ ...target(), tftpPort: port, deadlineMs: 300 });
  assert.equal(isUnreachable(half), false, "HTTP answers");
});

test("doctor: servers that accept and say nothing are given up at the deadline", async () => {
  const mute = createServer().listen(0, "127.0.0.1");
  const deaf = createSocket("udp4");
  deaf.bind(0, "127.0.0.1");
  await Promise.all([once(mute, "listening"), once(deaf, "listening")]);
  const startedMs = performance.now();
  const ports = { tftpPort: deaf.address().port, httpPort: (mute.address() as AddressInfo).port };
  const results = await probeBootFiles({ ...target(), ...ports, deadlineMs: 200 });
  assert(performance.now() - startedMs < 3000);
  for (const { status, detail } of results) {
    assert.equal(status, "fail");
    assert.match(detail, /not complete after 200 ms/);
  }
  mute.close();
  deaf.close();
});

function run(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const doctor = fileURLToPath(new URL("../../../cli/doctor/doctor.ts", import.meta.url));
  const script = `import { doctorCommand } from ${JSON.stringify(doctor)};
    await doctorCommand().parseAsync(${JSON.stringify(args)}, { from: "user" });`;
  return new Promise((resolve) => {
    execFile(process.execPath, ["--input-type=module", "-e", script], { timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test("doctor: the command prints a line for each probe, and its exit code tells", async () => {
  const ports = ["--server", "127.0.0.1", "--tftp-port", String(tftp.port), "--http-port", String(httpPort)];
  const well = await run(ports);
  assert.deepEqual([well.code, well.stdout.trim().split("\n").length], [0, 10], well.stderr);
  assert.match(well.stdout, /^ok {4}tftp undionly\.kpxe +70000 bytes, \d+ ms$/m);

  await rm(join(home, "vmlinuz"));
  const ill = await run([...ports, "--json"]);
  assert.equal(ill.code, 1);
  assert.equal(ill.stderr, "");
  const { ok, probes } = JSON.parse(ill.stdout);
  assert.equal(ok, false);
  assert.deepEqual(statuses(probes), { ...allWell, "http vmlinuz": "fail" });
});

test("doctor: exit code 10 when nothing answers, be it the server or its name", async () => {
  for (const server of ["127.0.0.1", "nowhere.invalid"]) {
    const { code, stdout } = await run([
      "--server",
      server,
      "--tftp-port",
      "1",
      "--http-port",
      "1",
      "--deadline",
      "0.5",
    ]);
    assert.equal(code, 10, stdout);
  }
});

test("doctor: a wrong port is a usage error, not a probe", async () => {
  const { code, stderr } = await run(["--server", "127.0.0.1", "--http-port", "99999"]);
  assert.equal(code, 1);
  assert.match(stderr, /argument .* is invalid. Write a whole number from 1 to 65535/);
});
