/**
 * A large site at work: hosts that report once a second, and browsers that hear every event and ask for hosts and
 * sessions as often as the pages do: `npm run bench:load`. Everything is on loopback; hosts and browsers are a process
 * each, which share the two cores with the server, and say how busy they were themselves.
 *
 *   --hosts 1000         how many hosts report
 *   --browsers 50        how many hear all events by HTTPS
 *   --seconds 30         for how long
 *   --finished 20        sessions that are over, each with all hosts
 *   --cpu-profile DIR    the server writes what it did into this directory
 *
 * The peer is a bare server of Node that keeps nothing (`load-peer.ts`), with the same hosts and no browsers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Client } from "undici";
import { openDatabase } from "../../server/db/database.ts";
import { ServerProcess } from "../cli/program.ts";
import type { BrowsersOrder, HostsOrder, LoadSaid } from "./load-said.ts";
import { printBench, processUse, type Row } from "./measure.ts";

const { values } = parseArgs({
  options: {
    hosts: { type: "string", default: "1000" },
    browsers: { type: "string", default: "50" },
    seconds: { type: "string", default: "30" },
    finished: { type: "string", default: "20" },
    "cpu-profile": { type: "string" },
  },
});
const order = { hosts: Number(values.hosts), seconds: Number(values.seconds) };
const browsers = Number(values.browsers);
const finished = Number(values.finished);

/** A program of the load, driven line by line. */
class Load {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(program: string, order?: HostsOrder | BrowsersOrder) {
    const path = join(import.meta.dirname, program);
    const words = order === undefined ? [] : [JSON.stringify(order)];
    this.#child = spawn(process.execPath, [path, ...words], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface(this.#child.stdout!)[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("A part of the load ended early.");
    return value;
  }

  /** Waits until it says that it has come so far. */
  async reached(type: LoadSaid["type"]): Promise<LoadSaid["figures"]> {
    const said = JSON.parse(await this.line()) as LoadSaid;
    if (said.type !== type) throw new Error(`A part of the load is ${said.type}, and not ${type}.`);
    return said.figures;
  }

  tell(step: "begin" | "go" | "end"): void {
    this.#child.stdin!.write(`${step}\n`);
  }

  kill(): void {
    this.#child.kill();
  }
}

async function measurePeer(): Promise<Row> {
  const peer = new Load("load-peer.ts");
  try {
    return await measure("node:http, keeps nothing", peer.pid, await peer.line(), {});
  } finally {
    peer.kill();
  }
}

async function measureServer(): Promise<Row> {
  const profile = values["cpu-profile"];
  const env = profile === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profile}` };
  const server = await ServerProcess.start(undefined, [], { logLevel: "info", env });
  const local = new Client("http://bootcast", { socketPath: join(server.dataDir, "control.sock") });
  try {
    const raw = join(server.dataDir, "golden.raw");
    writeFileSync(raw, Buffer.alloc(1 << 20, "golden "));
    await done(server.run("image", "import", raw, "--name", "lab-debian"));
    const made = await done(server.run("token", "add", "bench", "--role", "viewer", "--json"));
    const { https } = (await ask(local, "GET", "/api/v1/status")) as { https: { servers: string[] } };
    const { secret: token } = JSON.parse(made) as { secret: string };
    return await measure("bootcast", server.pid, server.address, {
      begun: async () => {
        await addFinished(join(server.dataDir, "bootcast.db"));
        await ask(local, "POST", "/api/v1/deploys", { image: "lab-debian", to: "any" });
      },
      browsers: { address: https.servers[0]!, token, browsers },
    });
  } finally {
    await local.destroy();
    await server.stop();
    server.remove();
  }
}

/** What a year of work leaves behind. */
async function addFinished(path: string): Promise<void> {
  const db = await openDatabase(path);
  const hosts = await db.selectFrom("hosts").select("id").execute();
  await db.transaction().execute(async (tables) => {
    for (let number = 1; number <= finished; number += 1) {
      const what = { image: "lab-debian", image_version: 1, to_any: 0, wait_for: 1, max_wait_ms: 0 };
      const { id } = await tables
        .insertInto("deploys")
        .values({ ...what, state: "done", created_at_ms: number, ended_at_ms: number })
        .returning("id")
        .executeTakeFirstOrThrow();
      const rows = hosts.map((host) => ({
        deploy_id: id,
        host_id: host.id,
        state: "done",
        attempts: 1,
        started_at_ms: number,
        ended_at_ms: number,
        fault: null,
      }));
      for (let at = 0; at < rows.length; at += 100) {
        await tables
          .insertInto("deploy_hosts")
          .values(rows.slice(at, at + 100))
          .execute();
      }
    }
  });
  await db.destroy();
}

type Rest = {
  /** Gives the registered hosts their order. */
  begun?(): Promise<void>;
  readonly browsers?: BrowsersOrder;
};

async function measure(name: string, pid: number, address: string, rest: Rest): Promise<Row> {
  console.error(`${name}: ${order.hosts} hosts`);
  const hosts = new Load("load-hosts.ts", { ...order, address });
  let pages: Load | undefined;
  try {
    const registered = await hosts.reached("registered");
    await rest.begun?.();
    hosts.tell("begin");
    const begun = await hosts.reached("begun");
    if (rest.browsers !== undefined) {
      pages = new Load("load-browsers.ts", rest.browsers);
      await pages.reached("open");
      pages.tell("go");
      await pages.reached("begun");
    }
    const before = processUse(pid);
    const fromMs = performance.now();
    hosts.tell("go");
    const said = await hosts.reached("done");
    const after = processUse(pid);
    const share = ((after.cpuSeconds - before.cpuSeconds) * 1_000) / (performance.now() - fromMs);
    pages?.tell("end");
    const seen = (await pages?.reached("done")) ?? {};
    const own = { "CPU share": share, "resident MB": after.residentBytes / 1e6, "peak MB": after.peakBytes / 1e6 };
    return { name, ...registered, ...begun, ...own, ...said, ...seen };
  } finally {
    hosts.kill();
    pages?.kill();
  }
}

async function done(ended: Promise<{ code: number | null; stdout: string; stderr: string }>): Promise<string> {
  const { code, stdout, stderr } = await ended;
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

async function ask(client: Client, method: "GET" | "POST", path: string, body?: object): Promise<unknown> {
  const { statusCode, body: answer } = await client.request({
    method,
    path,
    ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const text = await answer.text();
  if (statusCode >= 300) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
  return JSON.parse(text);
}

const rows = [await measurePeer(), await measureServer()];
// A line for each figure: there are many, and two columns.
const figures = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((figure) => figure !== "name");
printBench(
  "load",
  { ...order, browsers, finished },
  figures.map((figure) => ({ figure, ...Object.fromEntries(rows.map((row) => [row["name"], row[figure] ?? ""])) })),
);
