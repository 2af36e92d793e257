import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import type { TransferEngine } from "../../../server/tftp/engine.ts";
import { encodeTftp } from "../../../server/tftp/packet.ts";
import { TftpService } from "../../../server/tftp/service.ts";

test("service: a client from elsewhere gets silence, until the DHCP side has seen it", async () => {
  const said: string[] = [];
  const engine: TransferEngine = {
    kind: "none",
    start: ({ peer }) => said.push(`file to ${peer.address}`),
    repeat() {},
    supersede() {},
    refuse: (_, peer, code) => said.push(`error ${code} to ${peer.address}`),
    close: async () => {},
  };
  const known = new Set<string>();
  const service = new TftpService(
    {
      addresses: ["10.1.0.1"],
      port: 69,
      root: "/nowhere",
      log: pino({ level: "silent" }),
      now: () => 0,
      generate: async () => Buffer.from("made"),
      isKnownClient: (client) => known.has(client),
    },
    { engine, linkLimits: new Map(), isServed: (client) => client.startsWith("10.1.0.") },
  );
  const ask = (address: string, type: "read" | "write") =>
    service.onMessage(
      encodeTftp({ type, file: "x", mode: "octet", options: [] }),
      { address, port: 2000, family: "IPv4", size: 20 },
      "10.1.0.1",
    );
  ask("10.9.0.5", "read");
  ask("10.9.0.5", "write");
  service.onMessage(
    Buffer.from("0001626f6f74", "hex"),
    { address: "10.9.0.5", port: 2000, family: "IPv4", size: 6 },
    "10.1.0.1",
  );
  ask("10.1.0.7", "read");
  known.add("10.9.0.5");
  ask("10.9.0.5", "read");
  await service.stop();
  // Stopping waits for what had begun, and then starts nothing any more.
  assert.deepEqual(said, []);
  assert.equal(service.counters.offLink, 3);
  assert.equal(service.counters.requests, 2);
});
