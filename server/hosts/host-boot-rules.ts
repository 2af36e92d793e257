import { addressNumber, inSameNetwork, isAddress, isMachineAddress } from "../../bsdp/address.ts";
import { isLoaderPath, MAXIMUM_FILE_BYTES } from "../../bsdp/boot-files.ts";
import { Fault } from "../../fault.ts";

/** A change of a host's boot settings: a value sets, null takes it back, what is absent stays. */
export type HostBootChange = {
  readonly secureBoot?: boolean | null | undefined;
  readonly loader?: string | null | undefined;
  readonly netBootImage?: { readonly id: number; readonly untilMs: number } | null | undefined;
  readonly address?: string | null | undefined;
  readonly tftp?:
    | {
        readonly blockBytes?: number | null | undefined;
        readonly windowBlocks?: number | null | undefined;
        readonly wrapsTo?: 0 | 1 | null | undefined;
      }
    | null
    | undefined;
};

/** A network that addresses are given out in. */
export type ServedNetwork = {
  /** Any address in it. */
  readonly address: string;
  readonly netmask: string;
  /** Our own address, or the router's in a network behind a relay: nobody else may have it. */
  readonly taken?: string | undefined;
};

/** RFC 2348. */
const BLOCK_BYTES = { least: 8, most: 65_464 };
/** RFC 7440. */
const WINDOW_BLOCKS = { least: 1, most: 65_535 };

/** @throws {Fault} HOST_BOOT_INVALID, ADDRESS_TAKEN */
export function checkHostBoot(
  change: HostBootChange,
  at: {
    readonly networks: readonly ServedNetwork[];
    readonly nowMs: number;
    /** Name of another host that has the wished address. */
    readonly addressOwner: string | undefined;
  },
): void {
  const { loader, netBootImage, address, tftp } = change;
  if (loader !== undefined && loader !== null && !isLoaderPath(loader)) {
    throw invalid(
      "The loader",
      loader,
      `a path below the boot directory, like "x64/snponly.efi", of at most ${MAXIMUM_FILE_BYTES} bytes`,
    );
  }
  if (netBootImage !== undefined && netBootImage !== null) {
    const { id, untilMs } = netBootImage;
    if (!isWhole(id, 0, 0xffff_ffff)) throw invalid("The NetBoot image's id", id, "a number of four bytes");
    if (!(untilMs > at.nowMs))
      throw invalid("The end of the binding", new Date(untilMs).toISOString(), "in the future");
  }
  if (tftp !== undefined && tftp !== null) {
    checkNumber("The TFTP block size", tftp.blockBytes, BLOCK_BYTES);
    checkNumber("The TFTP window", tftp.windowBlocks, WINDOW_BLOCKS);
    checkNumber("The block number after the last", tftp.wrapsTo, { least: 0, most: 1 });
  }
  if (address !== undefined && address !== null) checkAddress(address, at);
}

function checkAddress(
  address: string,
  { networks, addressOwner }: { networks: readonly ServedNetwork[]; addressOwner: string | undefined },
): void {
  if (!isAddress(address) || !isMachineAddress(address))
    throw invalid("The address", address, "a machine's IPv4 address");
  if (addressOwner !== undefined) {
    throw new Fault("ADDRESS_TAKEN", {
      what: `${address} cannot be kept for this host.`,
      why: `It is kept for ${addressOwner} already.`,
      fix: `Choose another, or take it back first: bootcast host boot ${addressOwner} --address default`,
    });
  }
  if (networks.length === 0) return;
  const network = networks.find((one) => inSameNetwork(one.address, address, one.netmask));
  if (network === undefined) {
    const served = networks.map((one) => `${one.address}/${one.netmask}`).join(", ");
    throw invalid("The address", address, `in a network that is served (${served})`);
  }
  if (network.taken === address) {
    throw new Fault("ADDRESS_TAKEN", {
      what: `${address} cannot be kept for this host.`,
      why: "It is this server's own address, or the router's.",
      fix: "Choose another.",
    });
  }
  const mask = addressNumber(network.netmask);
  const host = (addressNumber(address) & ~mask) >>> 0;
  if (host === 0 || host === ~mask >>> 0) throw invalid("The address", address, "a machine's, not the network's own");
}

function checkNumber(
  what: string,
  value: number | null | undefined,
  { least, most }: { least: number; most: number },
): void {
  if (value === undefined || value === null || isWhole(value, least, most)) return;
  throw invalid(what, value, `a whole number from ${least} to ${most}`);
}

const isWhole = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;

function invalid(what: string, value: unknown, allowed: string): Fault {
  return new Fault("HOST_BOOT_INVALID", {
    what: `${what} cannot be ${JSON.stringify(value)}.`,
    why: `It must be ${allowed}.`,
    fix: 'Correct it; "bootcast host boot --help" shows examples.',
  });
}
