/**
 * A DHCP server in a process of its own, for tests in network namespaces:
 * `node dhcp-serve.ts '{"mode":"full","name":"s0","address":"10.77.0.1"}'`.
 * It logs to stdout and ends with its input.
 */
import { pino } from "pino";
import type { BootPolicy } from "../../../bsdp/policy.ts";
import { Fault } from "../../../fault.ts";
import { startDhcp } from "../../../server/dhcp/dhcp.ts";
import { oneMacImage } from "./answerer.ts";
import { memoryLeases } from "./memory-leases.ts";

const given = JSON.parse(process.argv[2] ?? "{}") as {
  mode: "full" | "proxy" | "proxy-4011";
  name: string;
  address: string;
  pool?: string;
  probeMs?: number;
  policy?: BootPolicy;
  priority?: number;
};
const log = pino();

try {
  const server = await startDhcp({
    interfaces: [{ name: given.name, address: given.address, netmask: "255.255.255.0" }],
    mode: given.mode,
    policyOf: async () => given.policy ?? { boot: "agent" },
    bootFiles: { ...oneMacImage, macPriority: given.priority ?? 32768 },
    full: {
      pools: (given.pool ?? "10.77.0.50-10.77.0.99").split(","),
      router: given.address,
      dns: [given.address],
      leaseSeconds: 600,
      leases: memoryLeases(),
      probeMs: given.probeMs ?? 0,
    },
    log,
    now: Date.now,
  });
  log.info("serving");
  process.stdin.on("end", () => {
    log.info({ counters: server.counters }, "stopping");
    void server.stop();
  });
  process.stdin.resume();
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  log.error(error.toJSON(), "refused");
}
