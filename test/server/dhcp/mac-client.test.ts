import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { labProblem } from "../../../scripts/lab/namespace.ts";
import { type Computer, type Lines, openNetwork } from "./computers.ts";

const serve = new URL("./dhcp-serve.ts", import.meta.url);
const macClient = new URL("./mac-client.ts", import.meta.url);

describe("a Mac and the doctor look for boot servers over real sockets", {
  skip: labProblem("network") ?? false,
}, () => {
  let network: { close(): Promise<void> } | undefined;
  let first: Computer;
  let second: Computer;
  let mac: Computer;
  before(async () => {
    const addresses = { first: "10.0.1.5/24", second: "10.0.1.6/24", mac: "10.0.1.50/24" } as const;
    network = { first, second, mac } = await openNetwork(addresses);
  });
  after(() => network?.close());

  async function serving(on: Computer, address: string, priority: number): Promise<Lines> {
    const server = on.startNode(serve, JSON.stringify({ mode: "proxy", name: "eth0", address, priority }));
    await server.until("serving");
    return server;
  }

  async function look(...args: readonly string[]): Promise<Record<string, unknown>> {
    const lines = mac.startNode(macClient, ...args);
    return JSON.parse(await lines.until("{"));
  }

  test("one server: the doctor sees no other one; two: it tells the other one's address, priority and images", async () => {
    const one = await serving(first, "10.0.1.5", 32_768);
    const alone = await look("probe", "10.0.1.5");
    assert.equal(alone["status"], "ok");
    assert.match(String(alone["detail"]), /^10\.0\.1\.5, priority 32768, 1 image: DOE-Image; no other server$/);
    const two = await serving(second, "10.0.1.6", 40_000);
    const both = await look("probe", "10.0.1.5");
    assert.equal(both["status"], "warn");
    const wanted = "another BSDP server answers: 10.0.1.6, priority 40000, 1 image: DOE-Image";
    assert.equal(both["detail"], wanted);

    const boot = await look("firmware", "10.0.1.50");
    assert.deepEqual(boot, {
      type: "boot",
      server: "10.0.1.6",
      image: 0x81000089,
      tftpServer: "10.0.1.6",
      file: "nbi/booter",
    });
    for (const server of [one, two]) {
      server.end();
      await server.until("stopping");
    }
  });
});
