import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { connectNbd } from "../../../server/images/nbd-client.ts";
import { type NbdServerOptions, serveNbd } from "../../../server/images/nbd-server.ts";
import { openImage } from "../../../server/images/open-image.ts";
import { writeImage } from "../../../server/images/write-image.ts";
import { MemoryDisk } from "../../images/memory.ts";

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), "bootcast-nbd-test-"));
after(() => rmSync(directory, { recursive: true }));
const path = (name: string) => join(directory, name);

/** Different everywhere, with a hole, and not a whole number of pieces. */
const content = Buffer.alloc(5 * 1024 * 1024 + 512);
for (let at = 0; at < content.length; at += 4) content.writeUInt32LE((at * 2654435761) % 2 ** 32, at);
content.fill(0, 1 << 20, 3 << 20);

let sockets = 0;
async function serve(options: Partial<NbdServerOptions> = {}) {
  sockets += 1;
  const socket = path(`socket-${sockets}`);
  const server = await serveNbd({
    source: new MemoryDisk(content),
    name: "lab:1",
    place: { path: socket },
    ...options,
  });
  return { socket, uri: `nbd+unix:///?socket=${socket}`, ...server };
}

test("qemu-img reads the same bytes from a UNIX socket, which is for its owner alone", async () => {
  const server = await serve();
  assert.equal(statSync(server.socket).mode & 0o777, 0o600);
  await run("qemu-img", ["convert", "-f", "raw", "-O", "raw", server.uri, path("copy.raw")]);
  assert(readFileSync(path("copy.raw")).equals(content));
  await server.close();
  assert.equal(existsSync(server.socket), false);
});

test("qemu-img convert -n from one server into a file, by the export's name and a port", async () => {
  const server = await serve({ place: { host: "127.0.0.1", port: 0 } });
  assert("port" in server.place);
  writeFileSync(path("target.raw"), Buffer.alloc(content.length, 0xff));
  const uri = `nbd://127.0.0.1:${server.place.port}/lab:1`;
  await run("qemu-img", ["convert", "-n", "-f", "raw", "-O", "raw", uri, path("target.raw")]);
  assert(readFileSync(path("target.raw")).equals(content));
  const { stdout } = await run("qemu-nbd", ["--list", "--port", String(server.place.port)]);
  assert.match(stdout, /exports available: 1[\s\S]*'lab:1'[\s\S]*size: +5243392[\s\S]*readonly/);
  await server.close();
});

test("writing to it is refused, and it goes on", async () => {
  const server = await serve();
  await assert.rejects(run("qemu-io", ["-f", "raw", "-c", "write 0 512", server.uri]));
  const disk = await connectNbd(server.socket);
  assert((await disk.read(0, 4096)).every((byte, at) => byte === content[at]));
  disk.close();
  await server.close();
});

test("several clients read a compressed image at once, each the right bytes", async () => {
  await writeImage({ source: new MemoryDisk(content) }, path("disk.dmg"), { format: "udzo", isForced: false });
  const image = await openImage(path("disk.dmg"));
  const server = await serve({ source: image.source });
  const disks = await Promise.all([0, 1, 2].map(() => connectNbd(server.socket)));
  await Promise.all(
    disks.map(async (disk, number) => {
      assert.equal(disk.sizeBytes, content.length);
      for (let at = number * 512; at + 70_000 < content.length; at += 333_312)
        assert.deepEqual(Buffer.from(await disk.read(at, 70_000)), content.subarray(at, at + 70_000));
      assert(Buffer.from(await disk.read(0, content.length)).equals(content));
    }),
  );
  for (const disk of disks) disk.close();
  await server.close();
  await image.close();
});

test("a place that cannot be read is an error of the client that read it, no zeros", async () => {
  const problems: unknown[] = [];
  const source = {
    sizeBytes: content.length,
    read: async (offset: number, length: number) => {
      if (offset + length > 4 << 20) throw new Error("bad sector");
      return content.subarray(offset, offset + length);
    },
  };
  const server = await serve({ source, onProblem: (problem) => problems.push(problem) });
  const disk = await connectNbd(server.socket);
  await assert.rejects(disk.read(4 << 20, 512), /error 5/);
  disk.close();
  // Behind the first piece the reply has begun: the connection ends.
  const other = await connectNbd(server.socket);
  await assert.rejects(other.read(3 << 20, 2 << 20), /closed the connection/);
  assert.deepEqual(
    problems.map((problem) => (problem as Error).message),
    ["bad sector", "bad sector"],
  );
  await server.close();
});

test("noise, and clients that leave in the middle, harm nobody else", async () => {
  const counts: number[] = [];
  const problems: unknown[] = [];
  const server = await serve({
    onClients: (count) => counts.push(count),
    onProblem: (problem) => problems.push(problem),
  });
  const noise = connect(server.socket);
  noise.write("GET / HTTP/1.1\r\n\r\n");
  noise.resume();
  await once(noise, "close");
  const leaver = connect(server.socket);
  await once(leaver, "data");
  leaver.destroy();
  const disk = await connectNbd(server.socket);
  assert.equal((await disk.read(512, 512)).length, 512);
  // Without waiting for its answer.
  void disk.read(0, content.length).catch(() => undefined);
  disk.close();
  const last = await connectNbd(server.socket);
  assert.equal((await last.read(0, 512)).length, 512);
  await server.close();
  await assert.rejects(last.read(0, 512));
  assert.equal(counts.at(-1), 0);
  assert.equal(problems.length, 1);
});

test("a client that reads nothing is sent no more than the system holds", async () => {
  let readBytes = 0;
  const sizeBytes = 2 ** 40;
  const source = {
    sizeBytes,
    read: async (_: number, length: number) => {
      readBytes += length;
      return new Uint8Array(length);
    },
  };
  const server = await serve({ source });
  const socket = connect(server.socket);
  const request = Buffer.alloc(28);
  request.writeUInt32BE(0x25609513);
  request.writeUInt32BE(1 << 25, 24);
  socket.write(
    Buffer.concat([
      Buffer.from("00000003", "hex"),
      Buffer.from("IHAVEOPT"),
      Buffer.from("0000000700000006000000000000", "hex"),
    ]),
  );
  for (let count = 0; count < 2000; count += 1) socket.write(request);
  await once(socket, "data");
  socket.pause();
  // It has stopped when other work finds no more read than before.
  let before = -1;
  const other = await connectNbd(server.socket);
  for (let same = 0; same < 20; ) {
    const own = readBytes;
    await other.read(0, 512);
    same = own === before ? same + 1 : 0;
    before = readBytes - 512 === own ? readBytes : -1;
  }
  assert(readBytes < 16 << 20, `${readBytes} bytes were read`);
  other.close();
  socket.destroy();
  await server.close();
});

test("a place that is taken is said", async () => {
  const server = await serve();
  await assert.rejects(serve({ place: { path: server.socket } }), { code: "NBD_PLACE_TAKEN" });
  await server.close();
});
