import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { request } from "undici";
import { Exit } from "../../../cli/terminal/output.ts";
import { machine } from "../../server/core.ts";
import { bootcast, clean, ended, root, ServerProcess } from "../program.ts";

let server: ServerProcess;
const { mac } = machine(1);

before(async () => {
  server = await ServerProcess.start();
  mkdirSync(join(server.dataDir, "boot"), { recursive: true });
  writeFileSync(join(server.dataDir, "boot/vmlinuz"), Buffer.alloc(3_000_000));
});
after(async () => {
  await server.stop();
  server.remove();
});

async function fetched(path: string): Promise<number> {
  const { statusCode, body } = await request(`${server.address}${path}`);
  await body.arrayBuffer();
  return statusCode;
}

/** `bootcast boot trace …` that goes on, and its output so far. */
class Follower {
  readonly child: ChildProcess;
  readonly end: ReturnType<typeof ended>;
  #text = "";

  constructor(...words: string[]) {
    const all = [join(root, "cli/main.ts"), "boot", "trace", ...words, "--data-dir", server.dataDir];
    this.child = spawn(process.execPath, all, { env: clean(), timeout: 60_000 });
    this.end = ended(this.child);
    this.child.stdout?.on("data", (chunk: Buffer) => (this.#text += String(chunk)));
  }

  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#text)) {
      const closed = this.end.then(({ stderr }) => assert.fail(`ended before ${pattern}: ${this.#text} ${stderr}`));
      await Promise.race([once(this.child.stdout!, "data"), closed]);
    }
    return this.#text;
  }
}

test("files and scripts are lines as they happen, until Ctrl-C", async () => {
  const quiet = await server.run("boot", "trace", "--no-follow");
  assert.deepEqual([quiet.code, quiet.stdout], [0, ""]);
  assert.match(quiet.stderr, /No machine has asked to boot/);
  const follower = new Follower();
  assert.equal(await fetched(`/boot/script.ipxe?mac=${mac}`), 200);
  await follower.until(/boot script/);
  assert.equal(await fetched("/boot/vmlinuz"), 200);
  assert.equal(await fetched("/boot/nothing%1b%5b2J"), 404);
  const text = await follower.until(/nothing/);
  follower.child.kill("SIGINT");
  const { code, stderr } = await follower.end;
  assert.equal(code, Exit.interrupted);
  assert.doesNotMatch(stderr, /error/);
  assert.match(text, new RegExp(`^\\d\\d:\\d\\d:\\d\\d ${mac} http boot script for iPXE → start the agent$`, "m"));
  assert.match(text, /http └ vmlinuz → sent 2\.9 MiB in \d+ m?s$/m);
  assert.match(text, /http └ nothing\?\[2J → file not found: .*boot directory\?$/m);
  assert.doesNotMatch(text, /\u001b/, "no colour and no control characters in a pipe");
});

test("one machine: its last boot as a story in seconds, then what comes; as objects with --json", async () => {
  assert.equal(await fetched(`/boot/script.ipxe?mac=${mac}`), 200);
  const story = await server.run("boot", "trace", "--host", mac, "--no-follow");
  assert.equal(story.code, 0, story.stderr);
  assert.match(
    story.stdout,
    new RegExp(
      `^${mac} \\(127.0.0.1\\), boot of \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d:\n {4}0\\.0 s {2}http {2}boot script`,
    ),
  );
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(machine(1));
  const registered = await request(`${server.address}/agent/v1/hosts`, { method: "POST", body, headers });
  const { name } = (await registered.body.json()) as { name: string };
  const named = await server.run("boot", "trace", "--host", name, "--no-follow");
  assert.match(named.stdout, new RegExp(`^${name} \\(${mac}, .*the agent registers → is ${name}\n$`, "s"));
  const objects = await server.run("boot", "trace", "--host", name, "--no-follow", "--json");
  const lines = objects.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert(lines.length >= 2 && lines.every(({ host, boot }) => host === name && boot === lines[0].boot));
});

test("status says who tried lately; a host is found or suggested", async () => {
  assert.match((await server.run("status")).stdout, /^Boots +1 machine tried in the last 10 minutes$/m);
  assert.equal(JSON.parse((await server.run("status", "--json")).stdout).boots.tried, 1);
  const wrong = await server.run("boot", "trace", "--host", "lab-1", "--no-follow");
  assert.equal(wrong.code, Exit.failed);
  assert.match(wrong.stderr, /no host "lab-1".*Maybe "lab-01"/s);
  const stranger = await server.run("boot", "trace", "--host", "02:00:00:00:00:77", "--no-follow");
  assert.match(stranger.stderr, /02:00:00:00:00:77 has not asked to boot/);
});

test("the server ends: exit code 10 and what to do; started again it still knows", async () => {
  const follower = new Follower("--since", "1h");
  await follower.until(/vmlinuz/);
  await server.stop();
  const { code, stderr } = await follower.end;
  assert.equal(code, Exit.unreachable);
  assert.match(stderr, /^error: The server has ended.*\[SERVER_UNREACHABLE\]\n {2}why: .*\n {2}fix: .*bootcast serve/);
  server = await ServerProcess.start(server.dataDir);
  const again = await server.run("boot", "trace", "--no-follow");
  assert.match(again.stdout, /vmlinuz → sent/);
  const none = await bootcast(["boot", "trace", "--data-dir", "/nonexistent/bootcast"]);
  assert.equal(none.code, Exit.unreachable);
  assert.match(none.stderr, /SERVER_UNREACHABLE.*fix: Start it/s);
});
