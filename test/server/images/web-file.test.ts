import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import { WebFile, type WebFileOptions } from "../../../server/images/web-file.ts";
import { WebServer } from "./web-server.ts";

const content = Buffer.concat(
  Array.from({ length: 160_000 }, (_, at) => createHash("sha256").update(String(at)).digest()),
);

describe("a file on a web server", () => {
  let server: WebServer;
  before(async () => {
    server = await WebServer.start({ "/disk.raw": content });
  });
  beforeEach(() => {
    server.troubles.length = 0;
    server.asked.length = 0;
    server.etag = '"one"';
  });
  after(() => server.close());

  async function withFile(use: (file: WebFile) => Promise<void>, options: WebFileOptions = {}): Promise<void> {
    const file = await WebFile.open(new URL(server.url("/disk.raw")), options);
    try {
      await use(file);
    } finally {
      await file.close();
    }
  }

  test("is read at any place", () =>
    withFile(async (file) => {
      assert.equal(file.sizeBytes, content.length);
      for (const [at, length] of [
        [0, 1],
        [content.length - 700, 700],
        [1_048_000, 2_000_000],
        [3, 0],
        [0, content.length],
      ] as const) {
        assert.equal(Buffer.compare(await file.read(at, length), content.subarray(at, at + length)), 0, `${at}`);
      }
    }));

  test("what lies far away is not fetched for it", () =>
    withFile(async (file) => {
      await file.read(content.length - 10, 10);
      assert.equal(file.fetchedBytes < 1_048_576 + 2, true);
    }));

  test("a connection that breaks costs what was on its way, not what came", () =>
    withFile(async (file) => {
      server.troubles.push((_, response, range) => {
        if (range?.first !== 0) return "not this one";
        const part = content.subarray(range.first, range.first + 500_000);
        const last = range.last;
        response.writeHead(206, {
          "content-range": `bytes ${range.first}-${last}/${content.length}`,
          "content-length": last + 1 - range.first,
          etag: '"one"',
        });
        return response.write(part, () => response.destroy());
      });
      assert.equal(Buffer.compare(await file.read(0, 1_048_576), content.subarray(0, 1_048_576)), 0);
      const again = server.asked.find((line) => /^\/disk\.raw \d+-1048575$/.test(line) && !line.includes(" 0-"));
      assert(Number(/ (\d+)-/.exec(again ?? "")?.[1]) > 0, server.asked.join(", "));
    }));

  test("a server that cannot now is asked again, and why is said", async () => {
    const said: string[] = [];
    server.troubles.push((_, response) => response.writeHead(503).end("later"));
    await withFile(async (file) => void (await file.read(0, 10)), { onWait: (why) => said.push(why) });
    assert.match(said[0] ?? "", /answers 503; asking again/);
    assert.equal(said.at(-1), "");
  });

  test("a silent connection is given up", async () => {
    server.troubles.push(() => undefined);
    await withFile(async (file) => assert.equal((await file.read(0, 10)).length, 10), { stallMs: 100 });
  });

  test("no byte for so long ends it", async () => {
    for (let tries = 0; tries < 20; tries += 1) server.troubles.push((_, response) => response.destroy());
    await assert.rejects(WebFile.open(new URL(server.url("/disk.raw")), { timeoutMs: 300 }), {
      code: "SERVER_UNREACHABLE",
    });
  });

  test("a file that was replaced is noticed", () =>
    withFile(async (file) => {
      server.etag = '"two"';
      await assert.rejects(file.read(2_000_000, 10), { code: "SOURCE_CHANGED" });
    }));

  test("more than was asked for is not taken", () =>
    withFile(async (file) => {
      server.troubles.push((_, response, range) => {
        if (range?.first !== 0) return "not this one";
        response.writeHead(206, {
          "content-range": `bytes ${range.first}-${range.last}/${content.length}`,
          etag: '"one"',
        });
        return response.end(Buffer.alloc(3 * 1_048_576));
      });
      await assert.rejects(file.read(0, 10), { code: "WEB_ANSWER" });
    }));

  test("where it is sent on to is kept, and asked anew when that is over", async () => {
    server.files.set("/mirror", content);
    const sentOn = (to: string) => (_: unknown, response: import("node:http").ServerResponse) =>
      void response.writeHead(302, { location: to }).end();
    server.troubles.push(sentOn("/mirror"));
    await withFile(async (file) => {
      await file.read(4_000_000, 10);
      assert.equal(server.asked.filter((line) => line.startsWith("/disk.raw")).length, 1);
      server.files.delete("/mirror");
      assert.equal(Buffer.compare(await file.read(2_000_000, 10), content.subarray(2_000_000, 2_000_010)), 0);
    });
  });

  test("a circle of redirects ends", async () => {
    for (let tries = 0; tries < 20; tries += 1)
      server.troubles.push((_, response) => void response.writeHead(302, { location: "/disk.raw" }).end());
    await assert.rejects(WebFile.open(new URL(server.url("/disk.raw"))), { code: "WEB_REDIRECT" });
  });

  test("an aborted read ends at once", async () => {
    const stop = new AbortController();
    await withFile(
      async (file) => {
        server.troubles.push(() => stop.abort(new Error("stopped")));
        await assert.rejects(file.read(0, 10), /stopped/);
      },
      { signal: stop.signal },
    );
  });
});
