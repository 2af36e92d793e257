import type { Lease } from "../bsdp/lease.ts";
import type { LeaseStore } from "./dhcp-settings.ts";

/** Leases that end with the process: for tests, and for benches that start from nothing each time. */
export function memoryLeases(): LeaseStore {
  const leases = new Map<string, Lease>();
  return {
    load: async () => [...leases.values()],
    save: async (lease) => void leases.set(lease.address, lease),
  };
}
