import assert from "node:assert/strict";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, type Dispatcher, request } from "undici";
import { Exit } from "../../cli/terminal/output.ts";
import type { StatusBody } from "../../server/api/schemas.ts";
import { bootcast, ServerProcess } from "./program.ts";

let server: ServerProcess;
let status: StatusBody;
/** A browser that trusts the server's authority and checks everything. */
let browser: Client;

before(async () => {
  server = await ServerProcess.start();
  status = JSON.parse((await server.run("status", "--json")).stdout);
  const loose = new Client(status.https.servers[0]!, { connect: { rejectUnauthorized: false } });
  const { body } = await loose.request({ method: "GET", path: "/api/v1/authority.pem" });
  const ca = await body.text();
  await loose.close();
  browser = new Client(status.https.servers[0]!, { connect: { ca } });
});
after(async () => {
  await browser.destroy();
  await server.stop();
  server.remove();
});

async function ask(method: Dispatcher.HttpMethod, path: string, payload?: object, more: Record<string, string> = {}) {
  const { statusCode, headers, body } = await browser.request({
    method,
    path,
    headers: { ...more, ...(payload && { "content-type": "application/json" }) },
    ...(payload && { body: JSON.stringify(payload) }),
  });
  return { status: statusCode, headers, body: (await body.json()) as Record<string, unknown> };
}

const fileOf = (name: string) => join(server.dataDir, name);

test("over the network nothing is told without a login; the link makes one", async () => {
  assert.deepEqual([(await ask("GET", "/api/v1/hosts")).status, (await ask("GET", "/metrics")).status], [401, 401]);
  const { stdout, code } = await server.run("user", "link");
  assert.equal(code, 0);
  const [, once] = /\/setup\?once=([-\w]+)\n/.exec(stdout) ?? [];
  assert(stdout.replaceAll(":", "").toLowerCase().includes(status.https.fingerprint), "what the browser shows");
  const page = await browser.request({ method: "GET", path: `/setup?once=${once}` });
  const html = await page.body.text();
  assert.match(String(page.headers["content-security-policy"]), /default-src 'none'/);
  assert.doesNotMatch(html, /<script>|style=|onclick|https?:/, "nothing that its policy forbids");
  for (const path of ["/setup.js", "/setup.css"]) {
    assert(html.includes(`"${path}"`));
    const { statusCode, body } = await browser.request({ method: "GET", path });
    assert.deepEqual([statusCode, (await body.text()).length > 100], [200, true]);
  }
  const entered = await ask("POST", "/api/v1/setup", { code: once, password: "correct horse battery" });
  assert.equal(entered.status, 200);
  const cookie = String(entered.headers["set-cookie"]).split(";")[0]!;
  const hosts = await ask("GET", "/api/v1/hosts", undefined, { cookie });
  assert.deepEqual([hosts.status, hosts.body["hosts"]], [200, []]);
  assert.equal((await ask("GET", "/api/v1/me", undefined, { cookie })).body["name"], "admin");
});

test("users are added, listed, changed and removed", async () => {
  const added = await server.run("user", "add", "mueller", "--role", "operator");
  assert.match(added.stdout, /^For mueller, until it is used:\n {2}https:\/\/127\.0\.0\.1:\d+\/setup\?once=/);
  assert.match((await server.run("user", "list")).stdout, /^mueller +operator +waits for the link to be used +\w/m);
  assert.equal((await server.run("user", "role", "mueller", "admin")).code, 0);
  const file = fileOf("password");
  writeFileSync(file, "four words of mine\n", { mode: 0o600 });
  assert.equal((await server.run("user", "password", "mueller", "--password-file", file)).code, 0);
  const login = await ask("POST", "/api/v1/login", { user: "mueller", password: "four words of mine" });
  assert.deepEqual([login.status, login.body["role"]], [200, "admin"]);
  const unasked = await server.run("user", "password", "mueller");
  assert.deepEqual([unasked.code, /no terminal to ask on/.test(unasked.stderr)], [Exit.usage, true]);
  assert.equal((await server.run("user", "remove", "mueller")).code, 0);
  assert.equal((await server.run("user", "remove", "mueller")).code, Exit.failed);
});

test("a token file is enough for another machine, as far as its role goes", async () => {
  const file = fileOf("laptop.token");
  const made = await server.run("token", "add", "laptop", "--role", "viewer", "--out", file);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const list = await bootcast(["host", "list", "--json", "--token-file", file]);
  assert.deepEqual([list.code, JSON.parse(list.stdout).hosts], [0, []], list.stderr);
  const byVariable = await bootcast(["status", "--json"], { BOOTCAST_TOKEN_FILE: file });
  assert.equal(JSON.parse(byVariable.stdout).pid, status.pid);
  const deploy = await bootcast(["deploy", "lab", "--to", "any", "--plan", "--token-file", file]);
  assert.equal(deploy.code, Exit.notPermitted);
  assert.match(deploy.stderr, /needs the role operator, and token laptop has viewer/);
  const again = await server.run("token", "add", "laptop2", "--out", file);
  assert.match(again.stderr, /FILE_EXISTS/);
  const names = JSON.parse((await server.run("token", "list", "--json")).stdout).tokens.map(
    ({ name }: { name: string }) => name,
  );
  assert.deepEqual(names, ["laptop"], "a token that nobody has does not stay");
  assert.equal((await server.run("token", "remove", "laptop")).code, 0);
  const removed = await bootcast(["host", "list", "--token-file", file]);
  assert.deepEqual([removed.code, /LOGIN_NEEDED/.test(removed.stderr)], [Exit.notPermitted, true]);
});

test("a token goes to no other server, and a file that others read is refused", async () => {
  const file = fileOf("pin.token");
  await server.run("token", "add", "pin", "--out", file);
  const other = await ServerProcess.start();
  try {
    const { https } = JSON.parse((await other.run("status", "--json")).stdout) as StatusBody;
    const refused = await bootcast(["host", "list", "--token-file", file, "--server", https.servers[0]!]);
    assert.equal(refused.code, Exit.refused);
    assert.match(refused.stderr, /is not the server of this token\. \[SERVER_NOT_TRUSTED\]/);
    const { stderr } = await other.stop();
    assert(!stderr.includes("authorization"), "nothing was sent there");
  } finally {
    other.remove();
  }
  const gone = await bootcast(["host", "list", "--token-file", file, "--server", "https://127.0.0.1:1"]);
  assert.equal(gone.code, Exit.unreachable);
  const plain = await bootcast(["host", "list", "--token-file", file, "--server", server.address]);
  assert.deepEqual([plain.code, /begin with https/.test(plain.stderr)], [Exit.usage, true]);
  const local = await bootcast(["image", "list", "--token-file", file]);
  assert.deepEqual([local.code, /works on the files/.test(local.stderr)], [Exit.usage, true]);
  assert.equal((await bootcast(["host", "list", "--server", "https://x"])).code, Exit.usage);
  chmodSync(file, 0o644);
  assert.match((await bootcast(["host", "list", "--token-file", file])).stderr, /TOKEN_EXPOSED/);
  chmodSync(file, 0o600);
  writeFileSync(file, readFileSync(file, "utf8").replace(/^token.*$/m, ""));
  assert.match((await bootcast(["host", "list", "--token-file", file])).stderr, /TOKEN_FILE_INVALID/);
});

test("the plain port has no API, and the TLS port no old protocol", async () => {
  for (const path of ["/api/v1/me", "/api/v1/authority.pem", "/setup"]) {
    const { statusCode, body } = await request(`${server.address}${path}`);
    await body.dump();
    assert.equal(statusCode, 404, path);
  }
  const old = new Client(status.https.servers[0]!, { connect: { rejectUnauthorized: false, maxVersion: "TLSv1.1" } });
  await assert.rejects(old.request({ method: "GET", path: "/api/v1/me" }));
  await old.destroy();
});
