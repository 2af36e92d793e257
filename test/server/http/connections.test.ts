import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test } from "node:test";
import { limitConnections } from "../../../server/http/connections.ts";

test("connections beyond one client's limit are closed, others are served, and places come free again", async () => {
  const server = createServer((_, answer) => answer.end("here"));
  limitConnections(server, { total: 5, perClient: 3 });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  /** Whether a connection is served; it stays open then. */
  const isServed = (localAddress: string) =>
    new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress });
      opened.push(socket);
      socket.on("error", () => {});
      socket.once("data", () => resolve(true));
      socket.once("close", () => resolve(false));
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    });
  const opened: Socket[] = [];
  const accepted: Socket[] = [];
  server.on("connection", (socket: Socket) => accepted.push(socket));
  try {
    for (const [client, expected] of [
      ["127.0.0.2", true],
      ["127.0.0.2", true],
      ["127.0.0.2", true],
      ["127.0.0.2", false],
      ["127.0.0.3", true],
      ["127.0.0.4", true],
      // Five are open.
      ["127.0.0.5", false],
    ] as const) {
      assert.equal(await isServed(client), expected, client);
    }
    const seen = once(accepted[0]!, "close");
    opened[0]!.destroy();
    await seen;
    assert.equal(await isServed("127.0.0.2"), true, "its place is free again");
  } finally {
    for (const socket of opened) socket.destroy();
    server.closeAllConnections();
    server.close();
  }
});
