/**
 * How fast the agent brings an image from a stream onto a disk, beside partclone and dd: `npm run bench:restore-to-disk`.
 *
 *   --mebibytes 1024   the disk: an ext4 volume, half used
 *   --rounds 3         the programs take turns; the median counts
 *   --mbit 4000        the stream's rate; over loopback, in this machine alone
 *   --disk loop,qemu   what is written to: a loop device over a file, and a QEMU disk (qcow2) as a block device
 *   --folder DIR       where the files are (TMPDIR, else /var/tmp); about four times the disk
 *
 * The loop device reads and writes its file past the kernel's memory. The QEMU disk is what `qemu-storage-daemon` shows by
 * FUSE, with a loop device on top; QEMU's processor time is not that of who writes to it. Of a stream only the receiving host
 * is counted. A delta finds 1 % of the image changed. CPU seconds are for each GiB that the image holds (the used half);
 * memory is the most that the process had. It needs root, partclone and util-linux; for the
 * QEMU disk qemu-system-common.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { bundleAgent } from "../../scripts/boot-image/bundle.ts";
import { FamilyUse } from "./family-use.ts";
import { makeDisk, settle } from "./images-disk.ts";
import { median, printBench, type Row } from "./measure.ts";
import type { SendOrder } from "./multicast-process.ts";
import type { RestoreHostOrder, RestoreHostSaid } from "./restore-host.ts";

const { values } = parseArgs({
  options: {
    mebibytes: { type: "string", default: "1024" },
    rounds: { type: "string", default: "3" },
    mbit: { type: "string", default: "4000" },
    disk: { type: "string", default: "loop,qemu" },
    folder: { type: "string", default: process.env["TMPDIR"] ?? "/var/tmp" },
  },
});
const MIB = 2 ** 20;
const mebibytes = Number(values.mebibytes);
const rounds = Number(values.rounds);
const sizeBytes = mebibytes * MIB;
const dataGibibytes = mebibytes / 2 / 1024;
const port = 7899;

type Figures = {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly came: number;
};
type Contender = { readonly name: string; run(): Promise<Figures> };

const directory = mkdtempSync(join(values.folder, "bootcast-bench-restore-"));
const raw = join(directory, "disk.raw");
const program = join(directory, "host", "host.cjs");
const loops: string[] = [];
const daemons: number[] = [];
try {
  console.error(`making a disk of ${mebibytes} MiB in ${directory}`);
  makeDisk(raw, mebibytes, join(directory, "folder"));
  rmSync(join(directory, "folder"), { recursive: true });
  await shell("partclone.ext4 -c -s disk.raw -o disk.pcl -L partclone.log");
  mkdirSync(dirname(program));
  writeFileSync(program, await bundleAgent(join(import.meta.dirname, "restore-host.ts")));
  symlinkSync(join(import.meta.dirname, "../../node_modules"), join(dirname(program), "node_modules"));
  const contenders = values.disk.split(",").flatMap(contendersOn);
  const measured = new Map<Contender, Figures[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of contenders) {
      settle(raw);
      const figures = await contender.run();
      console.error(`${contender.name}: ${figures.seconds.toFixed(2)} s`);
      measured.set(contender, [...(measured.get(contender) ?? []), figures]);
    }
  }
  printBench("restore-to-disk", { mebibytes, rounds, mbit: Number(values.mbit) }, contenders.map(rowOf));

  function rowOf(contender: Contender): Row {
    const middle = (figure: keyof Figures) => median(measured.get(contender)!.map((figures) => figures[figure]));
    return {
      program: contender.name,
      seconds: middle("seconds"),
      "MiB/s of the disk": mebibytes / middle("seconds"),
      "CPU seconds/GiB": middle("cpuSeconds") / dataGibibytes,
      "memory MB": middle("memoryBytes") / 1e6,
      "received MiB": middle("came") / MIB,
    };
  }
} finally {
  for (const path of loops) execFileSync("losetup", ["--detach", path]);
  for (const pid of daemons) await ended(pid);
  rmSync(directory, { recursive: true });
}

function contendersOn(kind: string): readonly Contender[] {
  const make = { loop: loopDisk, qemu: qemuDisk }[kind];
  if (make === undefined) throw new Error(`There is no disk "${kind}": loop, qemu.`);
  const ours = make(`ours-${kind}`);
  const theirs = make(`theirs-${kind}`);
  const made = join(directory, "made.raw");
  return [
    { name: "bootcast agent, stream to disk", run: () => received({ path: ours, work: "restore" }) },
    { name: "bootcast agent, read back", run: () => received({ path: ours, work: "read back" }) },
    { name: "bootcast agent, 1 % differs", run: () => changed(ours) },
    ...(kind === "loop"
      ? [
          {
            name: "bootcast agent, stream to file",
            run: () => {
              rmSync(made, { force: true });
              return received({ path: made, work: "file" });
            },
          },
        ]
      : []),
    {
      name: "partclone.restore",
      run: () => shell(`partclone.restore -s disk.pcl -O ${theirs} -L partclone.log && sync ${theirs}`),
    },
    {
      name: "dd, past the kernel's memory",
      run: () => shell(`dd if=disk.raw of=${theirs} bs=4M oflag=direct conv=fsync`),
    },
    { name: "dd", run: () => shell(`dd if=disk.raw of=${theirs} bs=4M conv=fsync`) },
    { name: "dd, only read", run: () => shell(`dd if=${theirs} of=/dev/null bs=4M iflag=direct`) },
  ].map(({ name, run }) => ({ name: `${kind}: ${name}`, run }));
}

function loopDisk(name: string): string {
  const file = join(directory, name);
  execFileSync("fallocate", ["--length", String(sizeBytes), file]);
  return loopOver(file, "on");
}

/** A qcow2 file, its clusters made beforehand as those of the loop device are. */
function qemuDisk(name: string): string {
  const file = join(directory, `${name}.qcow2`);
  const shown = join(directory, name);
  const pidFile = join(directory, `${name}.pid`);
  const preallocated = ["-o", "preallocation=falloc", file, String(sizeBytes)];
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", ...preallocated]);
  writeFileSync(shown, "");
  execFileSync("qemu-storage-daemon", [
    ...["--blockdev", `driver=file,filename=${file},node-name=file,cache.direct=on`],
    ...["--blockdev", "driver=qcow2,file=file,node-name=disk"],
    ...["--export", `type=fuse,id=disk,node-name=disk,mountpoint=${shown},writable=on`],
    ...["--daemonize", "--pidfile", pidFile],
  ]);
  daemons.push(Number(readFileSync(pidFile, "latin1")));
  // With direct access the kernel and QEMU 7.2 lose bytes between them: dd reads back other ones than it wrote.
  return loopOver(shown, "off");
}

function loopOver(file: string, isDirect: "on" | "off"): string {
  const words = ["--find", "--show", `--direct-io=${isDirect}`, file];
  const path = execFileSync("losetup", words, { encoding: "utf8" }).trim();
  loops.push(path);
  return path;
}

/** Stops a daemon, which takes its file out of the folder. */
async function ended(pid: number): Promise<void> {
  process.kill(pid);
  while (existsSync(`/proc/${pid}`)) await delay(20);
}

/** A delta after 1 % of the image's content was written over, in pieces of 1 MiB all over the disk. */
async function changed(path: string): Promise<Figures> {
  const descriptor = openSync(path, "r+");
  const pieces = Math.max(1, Math.round((mebibytes / 2) * 0.01));
  const piece = new Uint8Array(MIB).fill(0x99);
  for (let at = 0; at < pieces; at += 1)
    writeSync(descriptor, piece, 0, MIB, Math.floor((at + 0.5) * (mebibytes / 2 / pieces)) * MIB);
  closeSync(descriptor);
  execFileSync("blockdev", ["--flushbufs", path]);
  return received({ path, work: "delta" });
}

/** Starts a sender, and the host that is measured. */
async function received(order: Pick<RestoreHostOrder, "path" | "work">): Promise<Figures> {
  const send: SendOrder = {
    path: raw,
    address: "127.0.0.1",
    port,
    rateBytesPerSecond: (Number(values.mbit) * 1e6) / 8,
    isFast: true,
    streams: [{ group: "239.192.66.21", waitFor: 1 }],
  };
  const sender = started(join(import.meta.dirname, "multicast-process.ts"), send);
  try {
    await sender.line((said) => said["type"] === "ready");
    const host = started(program, {
      server: `http://127.0.0.1:${port}`,
      sizeBytes,
      ...order,
    } satisfies RestoreHostOrder);
    const said = (await host.line((line) => line["type"] === "done")) as unknown as RestoreHostSaid;
    await host.end();
    if (order.work === "read back" && said.wrongBytes > 0) throw new Error("the disk is not what was written");
    const { seconds, cpuSeconds, peakBytes, receivedBytes } = said;
    return { seconds, cpuSeconds, memoryBytes: peakBytes, came: receivedBytes };
  } finally {
    await sender.stop();
  }
}

function started(path: string, order: object) {
  const child = spawn(process.execPath, [path, JSON.stringify(order)], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  const lines = createInterface({ input: child.stdout });
  return {
    async line(isIt: (said: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
      for await (const line of lines) {
        const said = JSON.parse(line) as Record<string, unknown>;
        if (isIt(said)) return said;
      }
      throw new Error(`${path} ended without a word.`);
    },
    end: () => closed,
    async stop(): Promise<void> {
      child.kill();
      await closed;
    },
  };
}

async function shell(line: string): Promise<Figures> {
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  const start = performance.now();
  const child = spawn("bash", ["-c", `TIMEFORMAT='CPU %U %S'; time { ${line}; }`], {
    cwd: directory,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const use = new FamilyUse(child.pid!);
  const closed = once(child, "close");
  const output = await text(child.stderr);
  const [code] = await closed;
  const memoryBytes = use.stop();
  if (code !== 0) throw new Error(`"${line}" ended with ${code}: ${output.slice(-2000)}`);
  const [, user, system] = /CPU ([0-9.]+) ([0-9.]+)\n$/.exec(output)!;
  const seconds = (performance.now() - start) / 1000;
  return { seconds, cpuSeconds: Number(user) + Number(system), memoryBytes, came: 0 };
}
