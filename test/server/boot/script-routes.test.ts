import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { type FastifyInstance, fastify } from "fastify";
import { pino } from "pino";
import type { BootPolicy } from "../../../bsdp/policy.ts";
import { BootTexts } from "../../../server/boot/boot-texts.ts";
import { MachineMenu } from "../../../server/boot/machine-menu.ts";
import { scriptRoutes } from "../../../server/boot/script-routes.ts";
import { tftpTexts } from "../../../server/boot/tftp-texts.ts";
import type { BootTraceEntry } from "../../../server/boot-trace/boot-trace.ts";
import { createHttp } from "../../../server/http/http.ts";
import { Core, machine } from "../core.ts";

const pin = "490215";
const { mac } = machine(1);
const core = await Core.open({ hasMenu: true });
const noted: BootTraceEntry[] = [];
const written: string[] = [];
const policies = new Map<string, BootPolicy>();
const policyOf = async (of: string) => policies.get(of) ?? (await core.orders.bootPolicyOf(of));
let texts: BootTexts;
let app: ReturnType<typeof createHttp>;

before(async () => {
  await core.hosts.register(machine(1));
  const log = pino({ level: "trace" }, { write: (line: string) => written.push(line) });
  const menu = new MachineMenu({
    hosts: core.hosts,
    deploys: core.deploys,
    events: core.events,
    findImage: async (name) => ({ name, version: 1, diskBytes: 2e9, sectorBytes: 512, storedBytes: 1e9 }),
    policyOf,
    bootDirectory: "/nowhere",
    seconds: 10,
    pin,
    images: ["lab-debian"],
    now: () => core.nowMs,
    random: () => "00ff",
    log,
  });
  texts = new BootTexts({ policyOf, kernelArgs: "", passServer: true, menu });
  app = createHttp(log);
  await app.register(scriptRoutes, { texts, log, trace: { note: (entry) => noted.push(entry) } });
});
after(() => app.close());

type Method = "GET" | "HEAD" | "POST";
const ask = (url: string, headers: Record<string, string> = {}, method: Method = "GET") =>
  (app as unknown as FastifyInstance).inject({ method, url, headers: { host: "10.77.0.1:8440", ...headers } });

const clients = ["script.ipxe", "grub.cfg"] as const;
const expected: Record<(typeof clients)[number], Record<BootPolicy["boot"], RegExp>> = {
  "script.ipxe": {
    agent: /^#!ipxe\n[\s\S]*\nkernel [\s\S]*\nboot /,
    disk: /\nexit 1\n$/,
    menu: /\nchoose --default disk /,
    nothing: /because of this\n[\s\S]*\nexit 1\n$/,
  },
  "grub.cfg": {
    agent: /\n {4}if linux /,
    disk: /\nstart_disk\ntrue\n$/,
    menu: /\nmenuentry 'Start from this machine/,
    nothing: /because of this'\nstart_disk\ntrue\n$/,
  },
};
for (const client of clients) {
  for (const boot of ["agent", "disk", "menu", "nothing"] as const) {
    test(`script routes: ${client} for a machine that is to boot "${boot}"`, async () => {
      const other = "52:54:00:0a:0b:0c";
      policies.set(other, boot === "nothing" ? { boot, reason: "because of this" } : { boot });
      const got = await ask(`/boot/${client}?mac=${other}`);
      assert.equal(got.statusCode, 200);
      assert.equal(got.headers["content-type"], "text/plain; charset=utf-8");
      assert.equal(got.headers["cache-control"], "no-store");
      assert.equal(got.headers["content-length"], String(got.rawPayload.length));
      assert.match(got.body, expected[client][boot]);
      // Only an order gives the agent.
      assert.equal(/vmlinuz/.test(got.body), boot === "agent");
      const head = await ask(`/boot/${client}?mac=${other}`, {}, "HEAD");
      assert.deepEqual([head.body, head.headers["content-length"]], ["", got.headers["content-length"]]);
      assert.equal(noted.at(-1)?.mac, other);
    });
  }
  test(`script routes: ${client} without an address is refused`, async () => {
    assert.equal((await ask(`/boot/${client}`)).statusCode, 400);
    assert.equal((await ask(`/boot/${client}?mac=`)).statusCode, 400);
  });
}

for (const [url, words] of [
  ["/boot/boot.ipxe", /^#!ipxe\n[\s\S]*chain --replace http:\/\/10\.77\.0\.1:8440\/boot\/script\.ipxe\?mac=/u],
  ["/boot/autoexec.ipxe", /^#!ipxe\n/],
  ["/grub/grub.cfg", /source "\(http,10\.77\.0\.1:8440\)\/boot\/grub\.cfg\?mac=/],
  ["//grub/grub.cfg", /source "\(http,/],
] as const) {
  test(`script routes: ${url} is for every machine`, async () => {
    const got = await ask(url);
    assert.equal(got.statusCode, 200);
    assert.match(got.body, words);
    assert.equal((await ask(url, {}, "HEAD")).headers["content-length"], String(got.rawPayload.length));
  });
}

test("script routes: GRUB leaves the port out of Host; it is told the one that it came to", async () => {
  policies.set(mac, { boot: "agent" });
  const host = "10.77.0.1";
  const grub = await ask(`/boot/grub.cfg?mac=${mac}`, { host, "user-agent": "GRUB 2.12-9+deb13u2" });
  const other = await ask(`/boot/grub.cfg?mac=${mac}`, { host, "user-agent": "curl/8" });
  policies.delete(mac);
  // Requests of this test have no socket, and so port 80.
  assert.match(grub.body, /"\(http,10\.77\.0\.1:80\)\/boot"[\s\S]*bootcast\.server=http:\/\/10\.77\.0\.1:80'/);
  assert.match(other.body, /"\(http,10\.77\.0\.1\)\/boot"/);
});

function authorization(uri: string, password: string): string {
  const md5 = (text: string) => createHash("md5").update(text).digest("hex");
  const request = md5(`GET:${uri}`);
  const response = md5(`${md5(`menu:bootcast:${password}`)}:00ff:00000001:0b4d8f8a:auth:${request}`);
  return (
    `Digest realm="bootcast", nonce="00ff", uri="${uri}", username="menu", qop=auth, algorithm=MD5, ` +
    `cnonce="0b4d8f8a", nc=00000001, response="${response}"`
  );
}

test("script routes: from the menu to the order, with the PIN in nothing that is written", async () => {
  assert.match((await ask(`/boot/script.ipxe?mac=${mac}`)).body, /Re-image with lab-debian/);
  // As iPXE writes the URL of the script.
  const uri = `/boot/order.ipxe?mac=${encodeURIComponent(mac)}&ticket=00ff&order=0`;
  for (const method of ["HEAD", "POST"] as const) {
    const headers = { authorization: authorization(uri, pin) };
    assert.equal((await ask(uri, headers, method)).statusCode, 404, method);
  }
  const challenge = await ask(uri);
  assert.equal(challenge.statusCode, 401);
  assert.equal(
    challenge.headers["www-authenticate"],
    'Digest realm="bootcast", nonce="00ff", qop="auth", algorithm=MD5',
  );
  const wrong = await ask(uri, { authorization: authorization(uri, "111111") });
  assert.equal(wrong.statusCode, 200);
  assert.match(wrong.body, /^#!ipxe\n\necho\necho bootcast: The PIN was wrong\. Nothing was ordered\.\n/);
  assert.doesNotMatch(wrong.body, /vmlinuz/);

  await ask(`/boot/script.ipxe?mac=${mac}`);
  const right = await ask(uri, { authorization: authorization(uri, pin) });
  assert.match(
    right.body,
    /^#!ipxe\n\necho bootcast: session 1: lab-debian, version 1, for lab-01\.\n[\s\S]*\nkernel /,
  );
  const replayed = await ask(uri, { authorization: authorization(uri, pin) });
  assert.match(replayed.body, /too old, so nothing was ordered/);
  assert.doesNotMatch(replayed.body, /vmlinuz/);
  assert.equal((await core.db.selectFrom("deploys").select("id").execute()).length, 1);

  const told = [...written, JSON.stringify(noted), JSON.stringify(await core.events.list())].join("\n");
  for (const secret of [pin, "111111", "00ff", "Digest"]) assert(!told.includes(secret), secret);
});

test("script routes: without a menu there is nothing to order", async () => {
  const bare = fastify();
  const options = { policyOf: async () => ({ boot: "menu" }) as const, kernelArgs: "", passServer: true };
  await bare.register(scriptRoutes, { texts: new BootTexts(options), log: core.log });
  const script = await bare.inject(`/boot/script.ipxe?mac=${mac}`);
  assert.match(script.body, /\nexit 1\n$/);
  const order = await bare.inject(`/boot/order.ipxe?mac=${mac}&ticket=00ff&order=0`);
  assert.match(order.body, /This server has no menu/);
  await bare.close();
});

const at = { clientAddress: "10.77.0.50", serverAddress: "10.77.0.1" };
for (const [name, words] of [
  ["boot.ipxe", /^#!ipxe\n/],
  ["autoexec.ipxe", /^#!ipxe\n/],
  ["x64/autoexec.ipxe", /^#!ipxe\n/],
  ["grub/grub.cfg", /source "\(http,10\.77\.0\.1:8440\)/],
  ["grub/x86_64-efi/grub.cfg", /source "\(http,10\.77\.0\.1:8440\)/],
  ["grub/grub.cfg-01-52-54-00-0a-0b-0d", /if linux "\$from\$folder\/vmlinuz" 'BOOTIF=01-52-54-00-0a-0b-0d'/],
  ["grub/grub.cfg-01-52-54-00-0A-0B-0D", /BOOTIF=01-52-54-00-0a-0b-0d/],
  ["grub/host/52:54:00:0a:0b:0d/grub.cfg", /BOOTIF=01-52-54-00-0a-0b-0d/],
  ["vmlinuz", undefined],
  ["grub/x86_64-efi/command.lst", undefined],
  ["grub/grub.cfg-0A4D0032", undefined],
  ["grub/grub.cfg-01-52-54", undefined],
  ["grub/host/52:54:00:0a:0b::0/grub.cfg", undefined],
  ["grub/grub.cfg/x", undefined],
] as const) {
  test(`made by TFTP: ${name}`, async () => {
    policies.set("52:54:00:0a:0b:0d", { boot: "agent" });
    const text = await tftpTexts({ texts, httpPort: 8440 })(name, at);
    if (words === undefined) assert.equal(text, undefined);
    else assert.match(Buffer.from(text ?? []).toString("utf8"), words);
  });
}
