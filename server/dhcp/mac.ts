import { decodeBsdpOptions } from "../../bsdp/bsdp-options.ts";
import { decideBsdp } from "../../bsdp/bsdp-server.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { clientMac, MAXIMUM_PAYLOAD_BYTES, optionInstances } from "../../bsdp/dhcp-packet.ts";
import { Option } from "../../bsdp/dhcp-values.ts";
import { offeredImages } from "../../bsdp/net-boot-offer.ts";
import type { BootPolicy } from "../../bsdp/policy.ts";
import type { Arrival } from "../../bsdp/proxy.ts";
import type { DhcpJournal } from "./journal.ts";
import type { MacBindings } from "./mac-bindings.ts";
import type { DhcpSettings } from "./settings.ts";
import type { Answer } from "./write.ts";
import { writeReply } from "./write.ts";

type Context = {
  readonly settings: DhcpSettings;
  readonly journal: DhcpJournal;
  readonly bindings: MacBindings;
};

/** The answer to a Mac's boot discovery (BSDP). */
export async function answerMac(
  request: DhcpPacket,
  arrival: Arrival,
  policy: BootPolicy,
  { settings, journal, bindings }: Context,
): Promise<Answer | undefined> {
  const { bootFiles, log, macs } = settings;
  const mac = clientMac(request);
  const images = offeredImages(policy, bootFiles);
  const bound = await orNothing(settings, mac, macs?.boundImageOf?.(mac));
  // Only an image with a root path says it; nobody need be asked for the others.
  const hasRoot = images.some((image) => image.root !== undefined);
  const name = hasRoot ? await orNothing(settings, mac, macs?.nameOf?.(mac)) : undefined;
  const boundImage = bindings.imageOf(mac, bound, settings.now());
  const decision = decideBsdp(request, {
    serverAddress: arrival.serverAddress,
    serverName: arrival.serverAddress,
    priority: Math.max(0, bootFiles.macPriority - (macs?.activeTransfers?.() ?? 0)),
    images,
    ...(boundImage === undefined ? {} : { boundImage }),
    ...(name === undefined ? {} : { machine: { name } }),
    ...(macs?.minimumSeconds === undefined ? {} : { minimumSeconds: macs.minimumSeconds }),
  });
  if (decision.type === "silence") {
    if (decision.forgetBinding === true && bound !== undefined) bindings.rest(mac, bound);
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

// Without these facts a Mac still boots: the answer goes without them.
async function orNothing<T>(
  { log }: DhcpSettings,
  mac: string,
  asked: Promise<T | undefined> | undefined,
): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    log.error({ mac, err: error }, "what is set for a Mac could not be read");
    return undefined;
  }
}

function imageCount(list: DhcpPacket): number {
  return decodeBsdpOptions(optionInstances(list, Option.vendorOptions)).images?.length ?? 0;
}

function policyReason(policy: BootPolicy): string {
  return policy.boot === "nothing" ? policy.reason : "boots its own disk";
}
