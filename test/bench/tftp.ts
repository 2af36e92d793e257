/**
 * How fast boot files go out by TFTP, beside dnsmasq and tftpd-hpa: `npm run bench:tftp` (root).
 *
 * Server and clients are in two networks on one switch, in a namespace of their own. One program asks all servers
 * (`tftp-load.ts`), three times before it counts. They take turns, and the median of the rounds counts.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import { FamilyUse } from "./family-use.ts";
import { median, printBench, type Row } from "./measure.ts";
import type { Load, LoadResult } from "./tftp-load.ts";
import { type Contender, contenders } from "./tftp-peers.ts";

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3);
const server = "10.79.0.1";
const node = join(import.meta.dirname, "../../node_modules/.bin/node");
const files = { one: 16 * 1024 * 1024, fifty: 2 * 1024 * 1024 } as const;

const cases = ([1, 50] as const)
  .flatMap((clients) =>
    [1468, 512].flatMap((blockBytes) => [1, 16].map((windowBlocks) => ({ clients, blockBytes, windowBlocks }))),
  )
  // BENCH_CASE="1 1468 1" measures that alone: clients, block size, window.
  .filter((one) => [undefined, Object.values(one).join(" ")].includes(process.env["BENCH_CASE"]));
type Case = { readonly clients: 1 | 50; readonly blockBytes: number; readonly windowBlocks: number };
type Figures = {
  megabytesPerSecond: number;
  serverCpuSeconds: number;
  clientCpuSeconds: number;
  memoryMegabytes: number;
  timeouts: number;
};

const directory = mkdtempSync(join(tmpdir(), "bootcast-bench-tftp-"));
for (const [name, sizeBytes] of Object.entries(files))
  writeFileSync(join(directory, name), randomBytes(sizeBytes), { mode: 0o644 });
const lab = await openNamespace();
try {
  await lab.run("chmod", ["755", directory]);
  await lab.addBridge("br0");
  await lab.addNetns("server", `${server}/24`, "br0");
  await lab.addNetns("clients", "10.79.0.10/24", "br0");
  const addresses = Array.from({ length: 50 }, (_, at) => `10.79.0.${at + 11}`);
  for (const address of addresses) {
    await lab.run("ip", ["-n", "clients", "address", "add", `${address}/24`, "dev", "eth0"]);
  }
  const found = contenders(server, directory);
  const measured = new Map<string, Figures[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const one of cases) {
      for (const contender of found) {
        const key = keyOf(contender, one);
        measured.set(key, [...(measured.get(key) ?? []), await measure(lab, contender, one, addresses)]);
      }
    }
  }
  printBench(
    "tftp",
    { rounds, "one client": "16 MiB", "fifty clients": "2 MiB each" },
    cases.flatMap((one) => found.map((contender) => rowOf(contender, one, measured.get(keyOf(contender, one))!))),
  );
} finally {
  await lab.close();
  rmSync(directory, { recursive: true });
}

function keyOf({ name }: Contender, one: Case): string {
  return `${name} ${JSON.stringify(one)}`;
}

function rowOf({ name }: Contender, one: Case, figures: readonly Figures[]): Row {
  const middle = (of: keyof Figures) => median(figures.map((figure) => figure[of]));
  return {
    clients: one.clients,
    blksize: one.blockBytes,
    windowsize: one.windowBlocks,
    server: name,
    "MB/s": middle("megabytesPerSecond"),
    "server CPU s": middle("serverCpuSeconds"),
    "client CPU s": middle("clientCpuSeconds"),
    "memory MB": middle("memoryMegabytes"),
    timeouts: middle("timeouts"),
  };
}

async function measure(namespace: Namespace, contender: Contender, one: Case, addresses: string[]): Promise<Figures> {
  const { program, args, env } = contender;
  const serving = namespace.spawn(program, args, { netns: "server", ...(env === undefined ? {} : { env }) });
  serving.stderr.resume();
  serving.stdout.resume();
  try {
    await listening(namespace);
    const name = one.clients === 1 ? "one" : "fifty";
    const load = {
      server,
      name,
      path: join(directory, name),
      blockBytes: one.blockBytes,
      windowBlocks: one.windowBlocks,
      times: 4,
    };
    const groups = one.clients === 1 ? [addresses.slice(0, 1)] : [addresses.slice(0, 25), addresses.slice(25)];
    const asking = await Promise.all(groups.map((group) => startLoad(namespace, { ...load, addresses: group })));
    const use = new FamilyUse(serving.pid!);
    const before = use.cpuSeconds;
    const results = await Promise.all(asking.map((go) => go()));
    const serverCpuSeconds = use.cpuSeconds - before;
    const sum = (of: keyof LoadResult) => results.reduce((total, result) => total + result[of], 0);
    return {
      megabytesPerSecond: sum("bytes") / Math.max(...results.map(({ seconds }) => seconds)) / 1e6,
      serverCpuSeconds,
      clientCpuSeconds: sum("cpuSeconds"),
      memoryMegabytes: use.stop() / 1e6,
      timeouts: sum("timeouts"),
    };
  } finally {
    await serving.stop();
  }
}

/** Starts clients; what is given starts the measurement and waits for its end. */
async function startLoad(namespace: Namespace, load: Load): Promise<() => Promise<LoadResult>> {
  const words = [join(import.meta.dirname, "tftp-load.ts"), JSON.stringify(load)];
  const asking = namespace.spawn(node, words, { netns: "clients" });
  const errors = text(asking.stderr);
  const hasBegun = await Promise.race([once(asking.stdout, "data").then(() => true), asking.exited.then(() => false)]);
  if (!hasBegun) throw new Error(`${JSON.stringify(load)}: ${await errors}`);
  return async () => {
    asking.stdin.write("go\n");
    const said = await text(asking.stdout);
    const { exitCode } = await asking.exited;
    if (exitCode !== 0) throw new Error(`${JSON.stringify(load)}: ${await errors}`);
    return JSON.parse(said) as LoadResult;
  };
}

async function listening(namespace: Namespace): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) {
    const { stdout } = await namespace.run("ss", ["-Hulpn", "sport = :69"], { netns: "server" });
    if (stdout.trim() !== "") {
      // Ours listens a moment before its thread does.
      await delay(300);
      return;
    }
    await delay(50);
  }
  throw new Error("The server did not start.");
}
