import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fastify, type InjectOptions } from "fastify";
import { pino } from "pino";
import type { BootPolicy } from "../../../bsdp/policy.ts";
import { BootTexts } from "../../../server/boot/boot-texts.ts";
import { bootRoutes } from "../../../server/boot/routes.ts";

const home = await mkdtemp(join(tmpdir(), "bootcast-boot-"));
const directory = join(home, "boot");
const loader = Buffer.from(Array.from({ length: 900_000 }, (_, at) => (at * 13 + (at >> 10)) & 0xff));
const log = pino({ level: "silent" });
const app = fastify({ forceCloseConnections: true });
const policies = new Map<string, BootPolicy>();
let address: AddressInfo;

before(async () => {
  await mkdir(join(directory, "grub"), { recursive: true });
  await writeFile(join(directory, "shimx64.efi"), loader);
  await writeFile(join(directory, "grub/grub.cfg"), "set timeout=0\n");
  await writeFile(join(directory, "empty.bin"), "");
  await writeFile(join(home, "secret"), "outside");
  await symlink(join(home, "secret"), join(directory, "escape"));
  await mkdir(join(home, "netboot/i386"), { recursive: true });
  await writeFile(join(home, "netboot/i386/booter"), "a Mac's booter");
  await app.register(bootRoutes, {
    directory,
    roots: [{ prefix: "NetBoot/lab.nbi", directory: join(home, "netboot") }],
    texts: new BootTexts({
      policyOf: async (mac) => policies.get(mac) ?? { boot: "agent" },
      kernelArgs: "console=tty0",
      passServer: true,
    }),
    log,
    stallMs: 300,
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  address = app.server.address() as AddressInfo;
});

after(async () => {
  await app.close();
  await rm(home, { recursive: true, force: true });
});

const ask = (url: string, headers: Record<string, string> = {}, method: InjectOptions["method"] = "GET") =>
  app.inject({ method: method!, url, headers });

test("boot routes: a file, with its length and nothing in the way of firmware", async () => {
  const answer = await ask("/boot/shimx64.efi", { "accept-encoding": "gzip, br, zstd" });
  assert.equal(answer.statusCode, 200);
  assert.equal(Buffer.compare(answer.rawPayload, loader), 0);
  assert.equal(answer.headers["content-length"], String(loader.length));
  assert.equal(answer.headers["content-type"], "application/efi");
  assert.equal(answer.headers["transfer-encoding"], undefined);
  assert.equal(answer.headers["content-encoding"], undefined);
});

test("boot routes: HEAD has the length of GET and no body", async () => {
  for (const url of [
    "/boot/shimx64.efi",
    "/boot/grub/grub.cfg",
    "/boot/empty.bin",
    "/boot/script.ipxe?mac=525400123456",
  ]) {
    const get = await ask(url);
    const head = await ask(url, {}, "HEAD");
    assert.equal(head.statusCode, 200);
    assert.equal(head.rawPayload.length, 0);
    assert.equal(head.headers["content-length"], String(get.rawPayload.length), url);
    assert.equal(head.headers["etag"], get.headers["etag"]);
  }
});

for (const url of ["/boot//shimx64.efi", "//boot/shimx64.efi", "//boot//./shimx64.efi", "/boot/shimx64.efi?x=1"]) {
  test(`boot routes: ${url} is the file`, async () => {
    assert.equal((await ask(url)).rawPayload.length, loader.length);
  });
}

for (const url of [
  "/boot/shim_certificate_0.efi",
  "/boot/",
  "/boot/grub",
  "/boot/grub/grub.cfg/x",
  "/boot/escape",
  "/boot/..%2fsecret",
  "/boot/%2e%2e/secret",
  "/boot/grub/..%5c..%5csecret",
  "/boot/a%00b",
  `/boot/${"x".repeat(5000)}`,
  "/boot/SHIMX64.EFI",
]) {
  test(`boot routes: ${url.slice(0, 40)} is not there`, async () => {
    const answer = await ask(url);
    assert.equal(answer.statusCode, 404);
    assert.equal(answer.headers["content-length"], String(answer.rawPayload.length));
    assert.equal(answer.headers["location"], undefined);
    assert.doesNotMatch(answer.body, /outside|bootcast-boot-/);
  });
}

test("boot routes: a further root below its prefix", async () => {
  assert.equal((await ask("/boot/NetBoot/lab.nbi/i386/booter")).body, "a Mac's booter");
  for (const url of ["/boot/NetBoot/lab.nbi", "/boot/NetBoot/lab.nbi/../secret", "/boot/NetBoot/other/i386/booter"]) {
    assert.equal((await ask(url)).statusCode, 404);
  }
});

for (const [url, expected] of [
  ["/shimx64.efi", "beside nothing"],
  ["//grubx64.efi", "signed GRUB"],
  ["/grubx64.efi", "signed GRUB"],
  ["/grubaa64.efi", "signed GRUB for arm64"],
  ["/boot/x64//grubx64.efi", "signed GRUB"],
  ["/grub/x86_64-efi/command.lst", "commands"],
  ["//grub/x86_64-efi/command.lst", "commands"],
  ["/grub/x86_64-efi/fs.lst", undefined],
  ["/shim_certificate_0.efi", undefined],
  ["/revocations_sbat.efi", undefined],
  ["/..%2fsecret.efi", undefined],
] as const) {
  test(`boot routes: at the root: ${url}: ${expected ?? "not there, said in plain text"}`, async () => {
    await mkdir(join(directory, "x64"), { recursive: true });
    await mkdir(join(directory, "arm64"), { recursive: true });
    await mkdir(join(directory, "grub/x86_64-efi"), { recursive: true });
    await writeFile(join(directory, "x64/grubx64.efi"), "signed GRUB");
    await writeFile(join(directory, "arm64/grubaa64.efi"), "signed GRUB for arm64");
    await writeFile(join(directory, "grub/x86_64-efi/command.lst"), "commands");
    const answer = await ask(url);
    assert.equal(answer.statusCode, expected === undefined ? 404 : 200);
    assert.equal(answer.headers["content-length"], String(answer.rawPayload.length));
    if (expected !== undefined && expected !== "beside nothing") assert.equal(answer.body, expected);
    if (expected === "beside nothing") assert.equal(answer.rawPayload.length, loader.length);
  });
}

test("boot routes: a client that knows the file by its date is told so, unless it names a tag", async () => {
  const { headers } = await ask("/boot/shimx64.efi");
  const date = String(headers["last-modified"]);
  const old = new Date(Date.parse(date) - 1000).toUTCString();
  assert.equal((await ask("/boot/shimx64.efi", { "if-modified-since": date })).statusCode, 304);
  assert.equal((await ask("/boot/shimx64.efi", { "if-modified-since": old })).statusCode, 200);
  assert.equal((await ask("/boot/shimx64.efi", { "if-modified-since": "yesterday" })).statusCode, 200);
  const both = { "if-modified-since": date, "if-none-match": '"other"' };
  assert.equal((await ask("/boot/shimx64.efi", both)).statusCode, 200);
});

test("boot routes: a whole room fetches one large file, each byte right, in bounded memory", async () => {
  const large = join(directory, "room.bin");
  const content = Buffer.alloc(8_000_000, loader);
  await writeFile(large, content);
  const before = process.memoryUsage().rss;
  let most = 0;
  const fetchOne = () =>
    new Promise<void>((resolve, reject) => {
      get({ host: "127.0.0.1", port: address.port, path: "/boot/room.bin", agent: false }, (answer) => {
        let at = 0;
        answer.on("data", (part: Buffer) => {
          if (content.compare(part, 0, part.length, at, at + part.length) !== 0) reject(new Error("wrong content"));
          at += part.length;
          most = Math.max(most, process.memoryUsage().rss);
        });
        answer.on("end", () => (at === content.length ? resolve() : reject(new Error(`${at} bytes`))));
      }).on("error", reject);
    });
  await Promise.all(Array.from({ length: 40 }, fetchOne));
  assert(most - before < 160_000_000, `${most - before} bytes more for 320 MB to 40 clients`);
});

test("boot routes: ranges and versions", async () => {
  const part = await ask("/boot/shimx64.efi", { range: "bytes=1000-1999" });
  assert.equal(part.statusCode, 206);
  assert.equal(part.headers["content-range"], `bytes 1000-1999/${loader.length}`);
  assert.equal(part.headers["content-length"], "1000");
  assert.equal(Buffer.compare(part.rawPayload, loader.subarray(1000, 2000)), 0);

  const etag = String(part.headers["etag"]);
  const same = await ask("/boot/shimx64.efi", { range: "bytes=0-0", "if-range": etag });
  assert.equal(same.rawPayload.length, 1);
  const other = await ask("/boot/shimx64.efi", { range: "bytes=0-0", "if-range": '"other"' });
  assert.equal(other.rawPayload.length, loader.length);

  const behind = await ask("/boot/shimx64.efi", { range: `bytes=${loader.length}-` });
  assert.equal(behind.statusCode, 416);
  assert.equal(behind.headers["content-range"], `bytes */${loader.length}`);

  for (const header of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
    const known = await ask("/boot/shimx64.efi", { "if-none-match": header });
    assert.equal(known.statusCode, 304, header);
    assert.equal(known.rawPayload.length, 0);
  }
});

test("boot routes: a changed file has another ETag", async () => {
  await writeFile(join(directory, "changing.bin"), "one");
  const first = await ask("/boot/changing.bin");
  await writeFile(join(directory, "changing.bin"), "other");
  assert.notEqual((await ask("/boot/changing.bin")).headers["etag"], first.headers["etag"]);
});

test("boot routes: the script names the server as the client reached it", async () => {
  const answer = await ask("/boot/script.ipxe?mac=52-54-00-AB-CD-EF", { host: "10.77.0.1:8440" });
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers["cache-control"], "no-store");
  assert.match(answer.body, /^#!ipxe\n/);
  assert.match(
    answer.body,
    /set from http:\/\/10\.77\.0\.1:8440\/boot\n(?:.*\n)*.* BOOTIF=01-52-54-00-ab-cd-ef bootcast\.server=http:\/\/10\.77\.0\.1:8440 /,
  );
});

for (const host of ["evil \x24{x}", "a||shell", "a/b", "", "x:99999999", "user@host"]) {
  test(`boot routes: the Host ${JSON.stringify(host)} is not copied into a script`, async () => {
    const answer = await ask("/boot/script.ipxe?mac=525400abcdef", { host });
    assert.match(answer.body, /set from http:\/\/[a-z0-9.:]+\/boot\n/);
    if (host !== "") assert(!answer.body.includes(host));
  });
}

test("boot routes: the policy of this machine is asked, by its address in one spelling", async () => {
  policies.set("52:54:00:00:00:01", { boot: "disk" });
  policies.set("52:54:00:00:00:02", { boot: "nothing", reason: "it was refused by the operator" });
  for (const mac of ["52:54:00:00:00:01", "52-54-00-00-00-01", "525400000001"]) {
    assert.match((await ask(`/boot/script.ipxe?mac=${mac}`)).body, /boots its own disk now\.\nexit 1\n$/);
  }
  assert.match((await ask("/boot/script.ipxe?mac=525400000002")).body, /refused by the operator/);
  assert.match((await ask("/boot/script.ipxe?mac=525400000003")).body, / \|\| goto load\n$/);
});

for (const query of [
  "",
  "?mac=",
  "?mac=hello",
  "?mac=52:54:00:12:34",
  "?mac=52:54-00:12:34:56",
  "?mac=52:54:00:12:34:5g",
  "?mac=525400123456&mac=525400123457",
  "?mac=52%0a54:00:12:34:56",
]) {
  test(`boot routes: script.ipxe${query} is refused`, async () => {
    const answer = await ask(`/boot/script.ipxe${query}`);
    assert.equal(answer.statusCode, 400);
    assert.match(answer.body, /mac=/);
  });
}

test("boot texts: kernel arguments that would break the script are refused at the start", () => {
  const options = { policyOf: async () => ({ boot: "agent" }) as const, kernelArgs: "a\nb", passServer: true };
  assert.throws(() => new BootTexts(options), { code: "KERNEL_ARGS_INVALID" });
});

// On a real socket. ---------------------------------------------------------------------------------------------------

const vectors: { name: string; hex: string }[] = JSON.parse(
  readFileSync(new URL("../../vectors/http.json", import.meta.url), "utf8"),
);

/** A captured request, for a server that has its files under /boot. */
function requestOf(name: string): Buffer {
  const text = Buffer.from(vectors.find((vector) => vector.name === name)!.hex, "hex").toString("latin1");
  return Buffer.from(text.replace(/^(\w+) /, "$1 /boot"), "latin1");
}

async function open(): Promise<Socket> {
  const socket = connect(address.port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Reads one answer: its head, and as many bytes of body as its Content-Length says. */
async function readAnswer(socket: Socket, hasBody: boolean): Promise<{ head: string; body: Buffer }> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const end = bytes.indexOf("\r\n\r\n");
    if (end !== -1) {
      const head = bytes.subarray(0, end).toString("latin1");
      const length = hasBody ? Number(/^content-length: (\d+)$/im.exec(head)![1]) : 0;
      if (bytes.length - end - 4 >= length) return { head, body: bytes.subarray(end + 4) };
    }
    const [part] = await once(socket, "data", { signal: AbortSignal.timeout(5000) });
    bytes = Buffer.concat([bytes, part]);
  }
}

test("boot routes: OVMF's HEAD, then GET on the same connection", async () => {
  const socket = await open();
  socket.write(requestOf("ovmf-http-head"));
  const { head, body } = await readAnswer(socket, false);
  assert.match(head, /^HTTP\/1\.1 200 OK/);
  assert.match(head, new RegExp(`^content-length: ${loader.length}$`, "im"));
  assert.doesNotMatch(head, /chunked|^location:|content-encoding/im);
  assert.equal(body.length, 0);
  socket.write(requestOf("ovmf-http-get"));
  const file = await readAnswer(socket, true);
  assert.equal(Buffer.compare(file.body, loader), 0);
  socket.resetAndDestroy();
});

test("boot routes: shim's certificate that is not there: a 404 with a length, and the connection lives on", async () => {
  const socket = await open();
  socket.write(requestOf("shim-http-absent-file"));
  const { head } = await readAnswer(socket, true);
  assert.match(head, /^HTTP\/1\.1 404/);
  socket.write(requestOf("grub-http-head-cfg"));
  assert.match((await readAnswer(socket, false)).head, /^content-length: 14$/im);
  socket.destroy();
});

test("boot routes: a client that resets in the middle of a file harms nobody", async () => {
  const socket = await open();
  socket.write(requestOf("ovmf-http-get"));
  await once(socket, "data");
  socket.resetAndDestroy();
  assert.equal((await ask("/boot/shimx64.efi")).statusCode, 200);
});

test("boot routes: a client that stops reading is dropped, others are served meanwhile", async () => {
  const large = join(directory, "large.bin");
  await writeFile(large, "");
  await truncate(large, 100_000_000);
  const accepted = once(app.server, "connection");
  const socket = await open();
  socket.pause();
  const [served] = await accepted;
  const dropped = once(served, "close", { signal: AbortSignal.timeout(10_000) });
  socket.write("GET /boot/large.bin HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await ask("/boot/shimx64.efi")).rawPayload.length, loader.length);
  await dropped;
  assert(served.bytesWritten < 100_000_000, "the rest was never read from the disk");
  socket.destroy();
});

test("boot routes: a file that became shorter ends the connection", async () => {
  const shrinking = join(directory, "shrinking.bin");
  await writeFile(shrinking, Buffer.alloc(50_000_000));
  const socket = await open();
  socket.on("error", () => {});
  const closed = once(socket, "close", { signal: AbortSignal.timeout(10_000) });
  socket.write("GET /boot/shrinking.bin HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "data");
  await truncate(shrinking, 10);
  await closed;
});
