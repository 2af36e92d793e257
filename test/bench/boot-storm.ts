/**
 * `npm run bench:boot-storm [-- RUNS]`: a room of 500 machines is switched on, within one second and in one moment,
 * before `bootcast serve` and before dnsmasq, as a proxy and as the DHCP server. Needs root: it makes a network of its
 * own. Each figure is the median of three runs or more.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openNamespace } from "../../scripts/lab/namespace.ts";
import type { Room } from "./boot-storm-machines.ts";
import {
  dnsmasqRoom,
  mixedRoom,
  openSite,
  pcRoom,
  prepareData,
  type Serving,
  startBootcast,
  startDnsmasq,
  switchOn,
} from "./boot-storm-site.ts";
import { mediansOf, percentile, printBench, processUse, type Row } from "./measure.ts";

const runs = Math.max(3, Number(process.argv[2] ?? 3));
const work = mkdtempSync(join(tmpdir(), "bootcast-boot-storm-"));
const lab = await openNamespace();
let directories = 0;

try {
  await openSite(lab);
  const rows: Row[] = [];
  for (const mode of ["proxy", "full"] as const) {
    for (const withinMs of [1_000, 0]) {
      const during = { mode, withinMs };
      rows.push(await row("bootcast", "with Macs", { ...mixedRoom, ...during }));
      rows.push(await row("bootcast", "PCs", { ...pcRoom, ...during }));
      rows.push(await row("dnsmasq", "PCs", { ...dnsmasqRoom, ...during }));
    }
  }
  printBench("boot-storm", { machines: mixedRoom.machines, runs }, rows);
} finally {
  await lab.close();
  rmSync(work, { recursive: true });
}

async function row(server: "bootcast" | "dnsmasq", what: string, room: Room): Promise<Row> {
  const seed = (round: number) => ({ ...room, seed: round + 1 });
  const figures = await mediansOf(runs, async (round) => measure(server, seed(round)));
  const { machines: _, ...rest } = figures;
  return { server, mode: room.mode, room: what, "within ms": room.withinMs, ...rest };
}

async function measure(server: "bootcast" | "dnsmasq", room: Room) {
  directories += 1;
  const dataDir = join(work, String(directories));
  let serving: Serving;
  if (server === "bootcast") {
    await prepareData(dataDir, room);
    serving = await startBootcast(lab, room, dataDir);
  } else serving = await startDnsmasq(lab, room, dataDir);
  const before = processUse(serving.pid);
  const result = await switchOn(lab, room);
  const after = processUse(serving.pid);
  await serving.stop();
  const { waitsMs, questions } = result;
  return {
    machines: result.machines,
    served: result.served,
    "answers/s": waitsMs.length / (result.spanMs / 1000),
    "p50 ms": percentile(waitsMs, 0.5),
    "p99 ms": percentile(waitsMs, 0.99),
    "max ms": Math.max(...waitsMs),
    "1st try %": (100 * result.firstTry) / questions,
    "by 2nd %": (100 * (result.firstTry + result.secondTry)) / questions,
    refused: result.refused,
    wrong: result.wrongCount,
    "CPU s": after.cpuSeconds - before.cpuSeconds,
    "before MB": before.residentBytes / 1e6,
    "peak MB": after.peakBytes / 1e6,
  };
}
