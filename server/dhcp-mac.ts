import { decodeBsdpOptions } from "../bsdp/bsdp-options.ts";
import { decideBsdp } from "../bsdp/bsdp-server.ts";
import type { DhcpPacket } from "../bsdp/dhcp-packet.ts";
import { MAXIMUM_PAYLOAD_BYTES, optionInstances } from "../bsdp/dhcp-packet.ts";
import { Option } from "../bsdp/dhcp-values.ts";
import { offeredImages } from "../bsdp/net-boot-offer.ts";
import type { BootPolicy } from "../bsdp/policy.ts";
import type { Arrival } from "../bsdp/proxy.ts";
import type { DhcpJournal } from "./dhcp-journal.ts";
import type { DhcpSettings } from "./dhcp-settings.ts";
import type { Answer } from "./dhcp-write.ts";
import { writeReply } from "./dhcp-write.ts";

/** The answer to a Mac's boot discovery (BSDP). */
export function answerMac(
  request: DhcpPacket,
  arrival: Arrival,
  policy: BootPolicy,
  { settings, journal }: { readonly settings: DhcpSettings; readonly journal: DhcpJournal },
): Answer | undefined {
  const { bootFiles, log } = settings;
  const decision = decideBsdp(request, {
    serverAddress: arrival.serverAddress,
    serverName: arrival.serverAddress,
    priority: bootFiles.macPriority,
    images: offeredImages(policy, bootFiles),
  });
  if (decision.type === "silence") {
    const isPolicy = decision.reason === "no-image" && policy.boot !== "agent";
    return journal.drop(isPolicy ? policyReason(policy) : decision.reason, request);
  }
  // The decision keeps to the client's own limit, which is larger than that of other firmware.
  const bytes = writeReply(request, decision.packet, { log, journal, maximumBytes: MAXIMUM_PAYLOAD_BYTES });
  if (bytes === undefined) return undefined;
  const image = decision.image?.toString(16).padStart(8, "0");
  journal.said(request, `BSDP ${decision.message}`, {
    to: decision.to,
    file: decision.packet.file,
    image,
    ...(decision.message === "LIST" ? { images: imageCount(decision.packet) } : {}),
  });
  return { bytes, to: decision.to };
}

function imageCount(list: DhcpPacket): number {
  return decodeBsdpOptions(optionInstances(list, Option.vendorOptions)).images?.length ?? 0;
}

function policyReason(policy: BootPolicy): string {
  return policy.boot === "nothing" ? policy.reason : "boots its own disk";
}
