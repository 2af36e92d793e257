/**
 * What test/bench/load.ts compares the server with: a bare server of Node that reads the same bodies, keeps nothing and
 * answers at once. Prints its address.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

let registered = 0;
const server = createServer(async (request, response) => {
  const body = request.method === "POST" ? JSON.parse(await text(request)) : {};
  response.setHeader("content-type", "application/json");
  if (request.url === "/agent/v1/hosts") {
    registered += 1;
    response.end(JSON.stringify({ hostId: `${registered}`, name: `host-${body.mac}`, token: "peer" }));
  } else if (request.method === "GET") response.end(JSON.stringify({ kind: "deploy", deployId: "1" }));
  else response.end(JSON.stringify({ proceed: body.state !== "", reason: "" }));
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
