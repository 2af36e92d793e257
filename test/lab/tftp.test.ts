import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type LabProcess, labProblem, type Namespace, openNamespace } from "../../scripts/lab/namespace.ts";
import type { Load, LoadResult } from "../bench/tftp-load.ts";

/**
 * Our TFTP server and other people's clients, in two networks on one switch: first as it should be, then with a tenth
 * of all packets lost each way.
 */

const root = join(import.meta.dirname, "../..");
const node = join(root, "node_modules/.bin/node");
const server = "10.79.0.1";

/** A client's command for a file; `to` is where it goes. */
type Client = {
  readonly name: string;
  command(file: string, to: string): readonly [program: string, ...args: string[]];
};

const atftp = (options: readonly string[]): Client => ({
  name: `atftp ${options.join(", ") || "without options"}`,
  command: (file, to) => [
    "atftp",
    ...options.flatMap((option) => ["--option", option]),
    "-g",
    "-r",
    file,
    "-l",
    to,
    server,
  ],
});

const npmScript = `
  require("tftp").createClient({ host: "${server}", retries: 20, timeout: 1000 }).get(process.argv[1], process.argv[2], (error) => {
    if (error) { console.error(error); process.exitCode = 1; }
  });`;

const clients: readonly Client[] = [
  atftp([]),
  atftp(["blksize 512", "timeout 1"]),
  atftp(["blksize 1024", "windowsize 4", "timeout 1"]),
  atftp(["blksize 1468", "windowsize 16", "timeout 1"]),
  { name: "tftp-hpa", command: (file, to) => ["tftp", "-m", "binary", server, "-c", "get", file, to] },
  { name: "curl", command: (file, to) => ["curl", "-s", "-S", "-o", to, `tftp://${server}/${file}`] },
  {
    name: "curl, large blocks",
    command: (file, to) => ["curl", "-s", "-S", "--tftp-blksize", "1468", "-o", to, `tftp://${server}/${file}`],
  },
  { name: "busybox", command: (file, to) => ["busybox", "tftp", "-g", "-r", file, "-l", to, server] },
  {
    name: "busybox, large blocks",
    command: (file, to) => ["busybox", "tftp", "-b", "1428", "-g", "-r", file, "-l", to, server],
  },
  { name: "npm tftp", command: (file, to) => [node, "-e", npmScript, file, to] },
];

/**
 * Not all can do without their packets: atftp and npm's tftp give up when the server repeats its OACK because their
 * ACK of it was lost ("unexpected OACK", "Illegal TFTP operation"), and npm's tftp takes a repeated window for new data.
 */
const steadfast = clients.filter(({ name }) => !/^(atftp .*timeout|npm)/.test(name));

describe("TFTP to other people's clients", { skip: labProblem() ?? false, timeout: 180_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "bootcast-tftp-lab-"));
  const files = { loader: randomBytes(300_000), even: randomBytes(64 * 1468), small: randomBytes(20_000) };
  let lab: Namespace;
  let serving: LabProcess;
  let fetched = 0;

  before(async () => {
    await chmod(directory, 0o755);
    await mkdir(join(directory, "boot"));
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(directory, "boot", name), bytes);
    lab = await openNamespace();
    await lab.addBridge("br0");
    await lab.addNetns("server", `${server}/24`, "br0");
    await lab.addNetns("clients", "10.79.0.10/24", "br0");
    // Windows leave as single packets, as they do on a wire, so that single ones are lost.
    await lab.run("ip", ["-n", "server", "link", "set", "dev", "eth0", "gso_max_segs", "1"]);
    serving = lab.spawn(node, [join(root, "test/bench/tftp-serve.ts"), server, join(directory, "boot")], {
      netns: "server",
    });
    serving.stderr.resume();
    await new Promise<void>((resolve, reject) => {
      serving.stdout.once("data", () => resolve());
      void serving.exited.then(() => reject(new Error("the server ended")));
    });
  });

  after(async () => {
    await lab?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function fetch(client: Client, file: keyof typeof files): Promise<void> {
    fetched += 1;
    const to = join(directory, `fetched-${fetched}`);
    const [program, ...args] = client.command(file, to);
    const result = await lab.tryRun(program, args, { netns: "clients", cwd: root, timeoutMs: 55_000 });
    const said = `${client.name}, ${file}: ${result.stdout}${result.stderr}`;
    assert.equal(result.exitCode, 0, said);
    assert.equal(Buffer.compare(await readFile(to), files[file]), 0, said);
  }

  /** The clients of the benchmark, which compare every byte themselves. */
  async function fetchInWindows(count: number): Promise<void> {
    const addresses = Array.from({ length: count }, (_, at) => `10.79.0.${at + 11}`);
    for (const address of addresses) {
      await lab.run("ip", ["-n", "clients", "address", "add", `${address}/24`, "dev", "eth0"]);
    }
    const path = join(directory, "boot/small");
    const load: Load = { server, name: "small", path, addresses, blockBytes: 512, windowBlocks: 16, times: 1 };
    const loading = ["test/bench/tftp-load.ts", JSON.stringify(load)];
    const { stdout } = await lab.run(node, loading, { netns: "clients", cwd: root, timeoutMs: 55_000, input: "go\n" });
    const result = JSON.parse(stdout.split("\n")[1] ?? "") as LoadResult;
    assert.equal(result.bytes, count * files.small.length);
  }

  for (const client of clients) {
    test(`${client.name} fetches a loader, and a file of whole blocks`, async () => {
      await fetch(client, "loader");
      await fetch(client, "even");
    });
  }

  test("with a tenth of all packets lost each way, fifty transfers at the same time finish with the right content", async () => {
    const rules = "type filter hook prerouting priority 0; meta l4proto udp numgen random mod 100 < 10 counter drop;";
    for (const netns of ["server", "clients"]) {
      await lab.run("nft", ["-f", "-"], { netns, input: `table ip lossy { chain in { ${rules} }; }` });
    }
    await Promise.all([
      ...Array.from({ length: 40 }, (_, at) => fetch(steadfast[at % steadfast.length]!, "small")),
      fetchInWindows(10),
    ]);
    for (const netns of ["server", "clients"]) {
      const { stdout } = await lab.run("nft", ["list", "table", "ip", "lossy"], { netns });
      assert.match(stdout, /packets [1-9]\d\d/, "the network did lose packets");
      await lab.run("nft", ["delete", "table", "ip", "lossy"], { netns });
    }
  });
});
