/**
 * How fast disk images go in and out, beside partclone, bmaptool, dd, 7zz and qemu-img: `npm run bench:images`.
 *
 *   --mebibytes 4096   the disk: an ext4 volume, half used, half of that text
 *   --rounds 3         the programs take turns; the median counts
 *   --folder DIR       where the files are (TMPDIR, else /var/tmp); about four times the disk
 *
 * The one figure that is not a time is memory: the most of a command and its children together, 250 ms apart.
 * It needs partclone, zstd, bmap-tools, 7zip and qemu-utils, as Debian names them.
 * The source is in the page cache for all, and all make what they write safe on the disk before they end.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { FamilyUse } from "./family-use.ts";
import { makeDisk, settle } from "./images-disk.ts";
import { median, printBench, type Row } from "./measure.ts";

const { values } = parseArgs({
  options: {
    mebibytes: { type: "string", default: "4096" },
    rounds: { type: "string", default: "3" },
    folder: { type: "string", default: process.env["TMPDIR"] ?? "/var/tmp" },
  },
});
const mebibytes = Number(values.mebibytes);
const rounds = Number(values.rounds);
const main = join(import.meta.dirname, "../../cli/main.ts");

/** A shell line; `$B` is bootcast. What it writes is removed before it runs again. */
type Contender = {
  readonly name: string;
  readonly line: string;
  readonly makes: readonly string[];
  readonly same?: true;
};
type Case = { readonly title: string; readonly from: string; readonly contenders: readonly Contender[] };

// The first of each case is ours; "same" ones must give the disk's bytes.
const cases: readonly Case[] = [
  {
    title: "scan (nothing copied)",
    from: "disk.raw",
    contenders: [
      {
        name: "bootcast image scan",
        line: "$B image scan disk.raw --data-dir scan-data",
        makes: ["scan-data", "disk.raw.bootcast-scan"],
      },
      { name: "bmaptool create", line: "bmaptool create -o disk.bmap disk.raw", makes: ["disk.bmap"] },
    ],
  },
  {
    title: "import",
    from: "disk.raw",
    contenders: [
      { name: "bootcast image import", line: "$B image import disk.raw --name disk --data-dir data", makes: ["data"] },
      {
        name: "partclone | zstd -T0",
        line: "partclone.ext4 -c -s disk.raw -o - -L partclone.log | zstd -q -T0 -o disk.pcl.zst && sync disk.pcl.zst",
        makes: ["disk.pcl.zst"],
      },
    ],
  },
  {
    title: "restore to a file",
    from: "disk.raw",
    contenders: [
      {
        name: "bootcast restore",
        line: "$B restore --source disk --target out.raw --erase --noprompt --noverify --data-dir data",
        makes: ["out.raw"],
        same: true,
      },
      {
        name: "bootcast image export",
        line: "$B image export disk out.raw --data-dir data",
        makes: ["out.raw"],
        same: true,
      },
      {
        name: "zstd | partclone.restore",
        line: `truncate -s ${mebibytes}M out.raw && zstd -qdc disk.pcl.zst | partclone.restore -C -s - -O out.raw -L partclone.log && sync out.raw`,
        makes: ["out.raw"],
      },
      {
        name: "bmaptool copy (from raw)",
        line: "bmaptool copy --bmap disk.bmap disk.raw out.raw && sync out.raw",
        makes: ["out.raw"],
        same: true,
      },
      { name: "dd (from raw)", line: "dd if=disk.raw of=out.raw bs=4M conv=fsync", makes: ["out.raw"], same: true },
    ],
  },
  {
    title: "write UDZO",
    from: "disk.raw",
    contenders: [
      {
        name: "bootcast image convert",
        line: "$B image convert disk.raw disk.dmg --format udzo",
        makes: ["disk.dmg"],
      },
    ],
  },
  {
    title: "create from a folder",
    from: "disk.raw",
    contenders: [
      {
        name: "bootcast image create",
        line: "$B image create folder --name folder --data-dir create-data",
        makes: ["create-data"],
      },
    ],
  },
  {
    title: "import UDZO",
    from: "disk.dmg",
    contenders: [
      {
        name: "bootcast image import",
        line: "$B image import disk.dmg --name udzo --data-dir udzo-data",
        makes: ["udzo-data"],
      },
    ],
  },
  {
    title: "read UDZO to a file",
    from: "disk.dmg",
    contenders: [
      {
        name: "bootcast image convert",
        line: "$B image convert disk.dmg out.raw --no-verify",
        makes: ["out.raw"],
        same: true,
      },
      {
        name: "bootcast image cat",
        line: "$B image cat disk.dmg > out.raw && sync out.raw",
        makes: ["out.raw"],
        same: true,
      },
      { name: "7zz", line: "7zz x -tdmg -so disk.dmg > out.raw && sync out.raw", makes: ["out.raw"], same: true },
      {
        name: "qemu-img convert",
        line: "qemu-img convert -f dmg -O raw disk.dmg out.raw && sync out.raw",
        makes: ["out.raw"],
        same: true,
      },
    ],
  },
];

type Figures = { readonly seconds: number; readonly cpuSeconds: number; readonly memoryBytes: number };

const directory = mkdtempSync(join(values.folder, "bootcast-bench-images-"));
try {
  console.error(`making a disk of ${mebibytes} MiB in ${directory}`);
  makeDisk(join(directory, "disk.raw"), mebibytes, join(directory, "folder"));
  const measured = new Map<Contender, Figures[]>();
  for (let round = 0; round < rounds; round += 1)
    for (const one of cases)
      for (const contender of one.contenders)
        measured.set(contender, [...(measured.get(contender) ?? []), await measure(contender, one)]);
  printBench(
    "images",
    {
      mebibytes,
      rounds,
      "import MiB": Math.round(await storedBytes("data/store/packs")),
      "partclone MiB": Math.round(statSync(join(directory, "disk.pcl.zst")).size / 2 ** 20),
      "UDZO MiB": Math.round(statSync(join(directory, "disk.dmg")).size / 2 ** 20),
      threads: availableParallelism(),
    },
    cases.flatMap((one) => one.contenders.map((contender) => rowOf(one, contender, measured))),
  );
} finally {
  rmSync(directory, { recursive: true });
}

function rowOf(one: Case, contender: Contender, measured: ReadonlyMap<Contender, readonly Figures[]>): Row {
  const middle = (of: Contender, figure: keyof Figures) => median(measured.get(of)!.map((figures) => figures[figure]));
  const seconds = middle(contender, "seconds");
  return {
    what: one.title,
    program: contender.name,
    seconds,
    "MiB/s of the disk": mebibytes / seconds,
    // Above 1: the first, which is ours, is faster.
    "time / ours": seconds / middle(one.contenders[0]!, "seconds"),
    "CPU seconds": middle(contender, "cpuSeconds"),
    "memory MB": middle(contender, "memoryBytes") / 1e6,
  };
}

async function measure({ name, line, makes, same }: Contender, { from }: Case): Promise<Figures> {
  for (const made of makes) rmSync(join(directory, made), { recursive: true, force: true });
  settle(join(directory, from));
  const start = performance.now();
  const { memoryBytes, cpuSeconds, output } = await shell(line).catch((error: Error) => {
    throw new Error(`${name}: ${error.message}`);
  });
  const seconds = (performance.now() - start) / 1000;
  if (same && (await differs())) throw new Error(`${name} gave other bytes: ${output}`);
  console.error(`${name}: ${seconds.toFixed(2)} s`);
  return { seconds, cpuSeconds, memoryBytes };
}

async function differs(): Promise<boolean> {
  return shell("cmp disk.raw out.raw").then(
    () => false,
    () => true,
  );
}

/** Runs a line, without a terminal, for at most half an hour. */
async function shell(line: string): Promise<{ memoryBytes: number; cpuSeconds: number; output: string }> {
  // The shell counts what its children used, to the millisecond.
  const command = `time { ${line.replace("$B", `'${process.execPath}' '${main}'`)}; }`;
  const child = spawn("bash", ["-o", "pipefail", "-c", `TIMEFORMAT='CPU %U %S'; ${command}`], {
    cwd: directory,
    env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, NO_COLOR: "1" },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 1_800_000,
  });
  const use = new FamilyUse(child.pid!);
  const closed = once(child, "close");
  try {
    const output = await text(child.stderr);
    const [code] = await closed;
    if (code !== 0) throw new Error(`"${line}" ended with ${code}: ${output.slice(-2000)}`);
    const [, user, system] = /CPU ([0-9.]+) ([0-9.]+)\n$/.exec(output)!;
    return { memoryBytes: use.stop(), cpuSeconds: Number(user) + Number(system), output };
  } finally {
    use.stop();
  }
}

async function storedBytes(folder: string): Promise<number> {
  const child = spawn("du", ["-sm", "--apparent-size", join(directory, folder)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return Number.parseInt(await text(child.stdout), 10);
}
