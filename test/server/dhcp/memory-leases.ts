import type { Lease } from "../../../bsdp/lease.ts";
import type { LeaseStore } from "../../../server/dhcp/settings.ts";

/** Leases that end with the process. */
export function memoryLeases(): LeaseStore {
  const leases = new Map<string, Lease>();
  return {
    load: async () => [...leases.values()],
    save: async (lease) => void leases.set(lease.address, lease),
    remove: async (addresses) => {
      for (const address of addresses) leases.delete(address);
    },
  };
}
