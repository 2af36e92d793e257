/**
 * A large site at work: hosts that report once a second, and browsers that hear every event and ask for hosts and
 * sessions as often as the pages do: `npm run bench:load`. Everything is on loopback; the hosts and browsers share the
 * two cores with the server.
 *
 *   --hosts 1000       how many hosts report
 *   --browsers 50      how many hear all events by HTTPS
 *   --seconds 30       for how long
 *
 * The peer is a bare server of Node that keeps nothing (`load-peer.ts`), with the same hosts and no browsers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Client } from "undici";
import { ServerProcess } from "../cli/program.ts";
import type { LoadOrder, LoadSaid } from "./load-room.ts";
import { printBench, processUse, type Row } from "./measure.ts";

const { values } = parseArgs({
  options: {
    hosts: { type: "string", default: "1000" },
    browsers: { type: "string", default: "50" },
    seconds: { type: "string", default: "30" },
  },
});
const seconds = Number(values.seconds);
const order = { hosts: Number(values.hosts), seconds };

const rows = [await measurePeer(), await measureServer()];
printBench("load", { ...order, browsers: Number(values.browsers) }, rows);

async function measureServer(): Promise<Row> {
  const server = await ServerProcess.start();
  const local = new Client("http://bootcast", { socketPath: join(server.dataDir, "control.sock") });
  try {
    const raw = join(server.dataDir, "golden.raw");
    writeFileSync(raw, Buffer.alloc(1 << 20, "golden "));
    await done(server.run("image", "import", raw, "--name", "lab-debian"));
    const made = await done(server.run("token", "add", "bench", "--role", "viewer", "--json"));
    const { https } = (await ask(local, "GET", "/api/v1/status")) as { https: { servers: string[] } };
    const { secret: token } = JSON.parse(made) as { secret: string };
    const browsers = { address: https.servers[0]!, token, count: Number(values.browsers) };
    return await measure("bootcast", server.pid, { ...order, address: server.address, browsers }, () =>
      ask(local, "POST", "/api/v1/deploys", { image: "lab-debian", to: "any" }),
    );
  } finally {
    await local.destroy();
    await server.stop();
    server.remove();
  }
}

async function measurePeer(): Promise<Row> {
  const peer = start("load-peer.ts");
  try {
    const [address] = (await once(createInterface(peer.stdout!), "line")) as [string];
    return await measure("node:http, keeps nothing", peer.pid!, { ...order, address }, async () => undefined);
  } finally {
    peer.kill();
  }
}

/** @param deploy gives the registered hosts their order */
async function measure(name: string, pid: number, load: LoadOrder, deploy: () => Promise<unknown>): Promise<Row> {
  console.error(`${name}: ${load.hosts} hosts`);
  const room = start("load-room.ts", JSON.stringify(load));
  try {
    const lines = createInterface(room.stdout!)[Symbol.asyncIterator]();
    await next(lines, "registered");
    await deploy();
    const before = processUse(pid);
    const from = performance.now();
    room.stdin!.write("go\n");
    const said = await next(lines, "done");
    const after = processUse(pid);
    const { type: _, ...figures } = said;
    return {
      name,
      ...figures,
      "CPU share": ((after.cpuSeconds - before.cpuSeconds) * 1_000) / (performance.now() - from),
      "peak MB": after.peakBytes / 1e6,
    };
  } finally {
    room.kill();
  }
}

async function next<Type extends LoadSaid["type"]>(
  lines: AsyncIterator<string>,
  type: Type,
): Promise<Extract<LoadSaid, { readonly type: Type }>> {
  const { value, done: isOver } = await lines.next();
  if (isOver === true) throw new Error("The room of hosts ended early.");
  const said = JSON.parse(value) as LoadSaid;
  if (said.type !== type) throw new Error(`The room of hosts said ${said.type}.`);
  return said as Extract<LoadSaid, { readonly type: Type }>;
}

function start(program: string, ...words: string[]): ChildProcess {
  const path = join(import.meta.dirname, program);
  return spawn(process.execPath, [path, ...words], { stdio: ["pipe", "pipe", "inherit"] });
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
