import { Fault } from "../../fault.ts";
import type { DatagramFate } from "../../multicast/receiver.ts";

/** The group's packets do not come through: says what came instead, because that is the way to the cause. */
export function notArriving(seen: {
  readonly group: string;
  readonly port: number;
  readonly interfaceAddress: string;
  readonly arriveMs: number;
  readonly fates: ReadonlyMap<DatagramFate, number>;
  /** Why the server could not be asked the last time. */
  readonly lastFault: Fault | undefined;
}): Fault {
  const came = [...seen.fates].map(([fate, count]) => `${count} ${fate}`).join(", ");
  const { lastFault } = seen;
  if (lastFault !== undefined && came === "") {
    const what = `Nothing of the stream ${seen.group}:${seen.port} arrived within ${Math.round(seen.arriveMs / 1000)} s. Nothing was erased.`;
    return new Fault(
      "STREAM_NOT_ARRIVING",
      { what, why: `${lastFault.what} ${lastFault.why}`, fix: lastFault.fix },
      lastFault,
    );
  }
  return new Fault("STREAM_NOT_ARRIVING", {
    what: `No packet of the stream ${seen.group}:${seen.port} arrived at ${seen.interfaceAddress} within ${Math.round(seen.arriveMs / 1000)} s. Nothing was erased.`,
    why:
      came === ""
        ? "No packet at all came for this group: a switch filters it (IGMP snooping without a querier), a firewall drops it, or the server sends through another interface."
        : `Only other packets came for this group: ${came}.`,
    fix: 'Check the server\'s --interface, allow the UDP port in firewalls, and turn on an IGMP querier in the switch or turn snooping off. Then start again; "bootcast doctor" tests the way.',
  });
}

/** Neither the group nor the server sends data any more. */
export function silent(silentMs: number, lastFault: Fault | undefined): Fault {
  const seconds = Math.round(silentMs / 1000);
  return new Fault(
    "STREAM_SILENT",
    {
      what: `Nothing came from the stream for ${seconds} s, so the restore was given up. The disk is incomplete and does not boot.`,
      why: lastFault === undefined ? "The server still answers, but the group is silent." : lastFault.what,
      fix: "Check the cable and that the server runs, then start the restore again.",
    },
    lastFault,
  );
}

/** Said before anything is erased. */
export function targetTooSmall(targetBytes: number, imageBytes: number): Fault {
  return new Fault("TARGET_TOO_SMALL", {
    what: `The target has ${targetBytes} bytes, the image needs ${imageBytes}. Nothing was erased.`,
    why: "An image is restored as a whole disk.",
    fix: "Take a disk that is at least as large as the one that the image was made from.",
  });
}

/** Said before anything is erased: what the stream does not bring would be missing on the disk. */
export function streamOfParts(packs: number, packsOfImage: number): Fault {
  return new Fault("STREAM_MISMATCH", {
    what: `The stream sends ${packs} of the image's ${packsOfImage} packs. Nothing was erased.`,
    why: "A restore needs all of them.",
    fix: "Stop the stream and start it again; server and agent must have the same version.",
  });
}

/** Said before anything is erased. */
export function keyMissing(): Fault {
  return new Fault("STREAM_KEY_MISSING", {
    what: "The stream is encrypted, and the server did not give its key. Nothing was erased.",
    why: "What is received could not be read.",
    fix: "Start the restore again; server and agent must have versions that know encrypted streams.",
  });
}

/** A pack that the server itself gave, checked against the manifest, is damaged. */
export function unicastWrong(pack: number, tries: number, cause: unknown): Fault {
  return new Fault(
    "PACK_WRONG",
    {
      what: `Pack ${pack} of the image came wrong from the server ${tries} times. The disk is incomplete and does not boot.`,
      why: cause instanceof Error ? cause.message : String(cause),
      fix: 'Run "bootcast image verify" on the server; its store or its memory is damaged.',
    },
    cause,
  );
}
