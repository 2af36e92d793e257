import { networkInterfaces } from "node:os";
import { Fault } from "../../fault.ts";

/**
 * The own IPv4 address that `--interface` means: an interface's name or an
 * address. Without one, the only address there is.
 *
 * @throws {Fault} INTERFACE_UNKNOWN, INTERFACE_UNCLEAR when there are several and none was given
 */
export function interfaceAddress(wanted: string | undefined): string {
  const own = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter(({ family }) => family === "IPv4")
      .map(({ address, internal }) => ({ name, address, internal })),
  );
  const list = own.map(({ name, address }) => `${name} (${address})`).join(", ") || "none has an IPv4 address";
  if (wanted !== undefined) {
    const found = own.find(({ name, address }) => name === wanted || address === wanted);
    if (found !== undefined) return found.address;
    throw new Fault("INTERFACE_UNKNOWN", {
      what: `This machine has no interface or address ${wanted}.`,
      why: `There are: ${list}.`,
      fix: "Give one of these to --interface.",
    });
  }
  const outside = own.filter(({ internal }) => !internal);
  if (outside.length === 1 && outside[0] !== undefined) return outside[0].address;
  throw new Fault("INTERFACE_UNCLEAR", {
    what: "It is not clear which network the stream is for.",
    why: `This machine has: ${list}.`,
    fix: "Give one of these to --interface.",
  });
}
