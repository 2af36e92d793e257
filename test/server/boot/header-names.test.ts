import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { Readable } from "node:stream";
import { test } from "node:test";
import { fastify } from "fastify";
import { capitaliseHeaders } from "../../../server/boot/header-names.ts";

test("texts, streams and HEAD answers spell their headers as GRUB reads them", async (context) => {
  const app = fastify({ forceCloseConnections: true });
  context.after(() => app.close());
  app.addHook("onRequest", async (_, reply) => capitaliseHeaders(reply.raw));
  app.get("/text", async (_, reply) => reply.header("content-length", 4).type("text/plain").send("text"));
  app.get("/stream", async (_, reply) => {
    return reply
      .header("content-length", 6)
      .header("accept-ranges", "bytes")
      .header("etag", '"x"')
      .send(Readable.from([Buffer.from("stream")]));
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  for (const [line, length] of [
    ["GET /text", 4],
    ["HEAD /text", 4],
    ["GET /stream", 6],
  ] as const) {
    const socket = connect(port, "127.0.0.1");
    socket.write(`${line} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n`);
    let answer = "";
    socket.setEncoding("latin1").on("data", (text) => (answer += text));
    await once(socket, "close");
    const [head = ""] = answer.split("\r\n\r\n");
    assert(head.includes(`\r\nContent-Length: ${length}`), head);
    const names = head
      .split("\r\n")
      .slice(1)
      .map((header) => header.split(":")[0]!);
    assert.deepEqual(
      names.filter((name) => !/^[A-Z][a-z]*(-[A-Z][a-z]*)*$/.test(name)),
      [],
    );
  }
});
