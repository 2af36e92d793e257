import { imageIdOfNumber, numberOfImageId } from "../../bsdp/boot-image.ts";
import type { BsdpOptions } from "../../bsdp/bsdp-options.ts";
import { decodeBsdpOptions } from "../../bsdp/bsdp-options.ts";
import type { BsdpSilence } from "../../bsdp/bsdp-request.ts";
import type { BsdpDecision, BsdpSettings } from "../../bsdp/bsdp-server.ts";
import { decideBsdp } from "../../bsdp/bsdp-server.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { clientMac, decodeDhcpPacket, encodeDhcpPacket, optionData, optionInstances } from "../../bsdp/dhcp-packet.ts";
import { Option } from "../../bsdp/dhcp-values.ts";
import type { NetBootImage } from "../../bsdp/net-boot-image.ts";
import { parseBsdpVendorClass } from "../../bsdp/vendor-class.ts";
import { Fault } from "../../fault.ts";
import type { Behaviour } from "./behaviour.ts";
import type { Vector, VectorFile } from "./index-file.ts";
import type { Verdict } from "./verdict.ts";

/** Reasons that lie in what this server has and remembers, not in the packet. */
const settingsReasons: readonly BsdpSilence[] = [
  "asked-too-early",
  "no-image",
  "no-image-for-architecture",
  "no-image-for-model",
  "mac-not-allowed",
  "filter-matches-nothing",
  "too-long-for-the-client",
  "not-bound",
];

/**
 * What words of a `why` speak of which of our reasons. Only where a packet was
 * ignored for want of an image, and they speak of something else, is it wrong:
 * then nothing was shown about the packet.
 */
const reasonsByWord: readonly (readonly [RegExp, readonly BsdpSilence[]])[] = [
  [/reply port|port 0\b/i, ["bad-reply-port", "bad-vendor-options"]],
  [/version|\b[012]\.[0-9]\b/i, ["bad-version", "old-firmware", "bad-vendor-options"]],
  [/firmware|netboot 1|old netboot|sub-option 10\b/i, ["old-firmware"]],
  [/overrun|runs? past|pars(e|ing)|malformed|length|truncat|\bsplit|\bbytes?\b/i, ["bad-vendor-options"]],
  [
    /message type|sub-option 1\b|\b(LIST|SELECT|FAILED)\b/i,
    ["bad-bsdp-message", "wrong-message-type", "bad-vendor-options"],
  ],
  [/another server|other server|server identifier/i, ["another-server-named", "no-server-named"]],
  [/ethernet|hlen|htype/i, ["not-ethernet"]],
  [/sname/i, ["sname-names-another-server"]],
  [/siaddr/i, ["siaddr-names-another-server"]],
  [/ciaddr|address/i, ["no-client-address"]],
  [/vendor class|option 60|slash|bsdp/i, ["not-bsdp"]],
  [/option 43/i, ["no-vendor-options", "bad-vendor-options"]],
  [/\bop\b|bootreply|reply packet|not a request/i, ["not-a-request"]],
  [/bound|binding|selection/i, ["not-bound"]],
  [/\bsecs\b|threshold/i, ["asked-too-early"]],
  [/DHCPREQUEST|bookkeeping|remembered/i, ["request-is-for-the-dhcp-server"]],
  [/DHCP message|DHCPRELEASE|DHCPDECLINE/i, ["wrong-message-type"]],
  [/image|attribute|filter/i, ["filter-matches-nothing", "no-image", "no-image-for-architecture"]],
  [/architecture|\barch\b|\bppc\b/i, ["no-image-for-architecture"]],
  [/model|sysid|system id/i, ["no-image-for-model"]],
  [/\bmac\b|not allowed/i, ["mac-not-allowed"]],
];

/** Holds BSDP's decision against what a vector says of it. */
export function checkBsdpBehaviour(
  verdict: Verdict,
  vector: Vector,
  behaviour: Behaviour,
  server: VectorFile["server"],
): void {
  let request: DhcpPacket;
  try {
    request = decodeDhcpPacket(vector.bytes);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    // What cannot be read at all is dropped before anybody decides.
    if (behaviour.action === "reply") verdict.differs("serverBehaviour", behaviour, `dropped: ${error.code}`);
    return;
  }
  const settings = settingsFor(request, behaviour, server);
  const decision = decideBsdp(request, settings);
  if (behaviour.action === "reply") {
    checkAnswer(verdict, request, decision, behaviour);
    return;
  }
  if (decision.type === "reply") {
    verdict.differs("serverBehaviour", "no answer", decision.message);
    return;
  }
  if (behaviour.action === "ignore-unless-bound") {
    verdict.same("serverBehaviour, not bound", "not-bound", decision.reason);
    const boundImage = numberOfImageId(imageIdOfNumber(firstImage));
    const bound = decideBsdp(request, { ...settings, boundImage });
    verdict.same("serverBehaviour, bound", "OFFER", bound.type === "reply" ? bound.message : bound.reason);
    if (bound.type === "reply") verdict.same("serverBehaviour, bound: yiaddr", "0.0.0.0", bound.packet.yiaddr);
    return;
  }
  checkReason(verdict, decision.reason, behaviour.why);
  if (behaviour.sideEffect === undefined) return;
  if (!/delete|forget|remove|drop|clear/i.test(behaviour.sideEffect))
    verdict.skip(`sideEffect: ${behaviour.sideEffect}`);
  else verdict.same("serverBehaviour.sideEffect", true, decision.forgetBinding);
}

function checkReason(verdict: Verdict, reason: BsdpSilence, why: string): void {
  const meant = reasonsByWord.filter(([words]) => words.test(why)).flatMap(([, reasons]) => reasons);
  if (meant.includes(reason)) return;
  if (meant.length > 0 && settingsReasons.includes(reason)) verdict.differs("serverBehaviour.why", why, reason);
  else verdict.skip(`that it is ignored because "${why}" (ours is ${reason})`);
}

function checkAnswer(verdict: Verdict, request: DhcpPacket, decision: BsdpDecision, behaviour: Behaviour): void {
  if (decision.type !== "reply") {
    verdict.differs("serverBehaviour", behaviour.message, `no answer: ${decision.reason}`);
    return;
  }
  const { toAddress, toPort, message } = behaviour;
  if (toAddress !== undefined) verdict.same("serverBehaviour.toAddress", toAddress, decision.to.address);
  if (toPort !== undefined) verdict.same("serverBehaviour.toPort", toPort, decision.to.port);
  const named = /\[(LIST|SELECT|FAILED)\]/.exec(message)?.[1] ?? (/OFFER/.test(message) ? "OFFER" : undefined);
  if (named === undefined) verdict.skip(`message: ${message}`);
  else verdict.same("serverBehaviour.message", named, decision.message);
  const limit = /(\d+) bytes of DHCP message/.exec(message)?.[1];
  if (limit !== undefined) {
    const { length } = encodeDhcpPacket(decision.packet);
    if (length > Number(limit)) verdict.differs("serverBehaviour: length", `at most ${limit}`, length);
  }
  if (/giaddr/.test(message)) verdict.same("serverBehaviour: giaddr", request.giaddr, decision.packet.giaddr);
}

const firstImage = 0x81000089;

/**
 * A server that has images for everybody who is to get an answer, and the usual
 * ones for Intel Macs otherwise. "SELECT" means that it has the image that is
 * asked for, "FAILED" that it has not.
 */
function settingsFor(request: DhcpPacket, behaviour: Behaviour, server: VectorFile["server"]): BsdpSettings {
  const { selectedImage, attributesFilter } = optionsOf(request);
  const ids = [firstImage, 0x0100008a, ...Array.from({ length: 18 }, (_, at) => 0x81000100 + at)];
  const { message, action, why } = behaviour;
  if (action === "reply" && attributesFilter !== undefined) ids.push(((attributesFilter[0] ?? 0) * 0x10000 + 1) >>> 0);
  if (message.includes("SELECT") && selectedImage !== undefined) ids.push(selectedImage);
  const isIgnored = action === "ignore";
  const isFilterMeant = isIgnored && /filter|attribute/i.test(why);
  const isHidden = (id: number) => isFilterMeant && attributesFilter?.includes(id >>> 16) === true;
  const has = ids.filter((id) => !(message.includes("FAILED") && id === selectedImage) && !isHidden(id));
  const vendorClass = parseBsdpVendorClass(optionData(request, Option.vendorClass) ?? new Uint8Array(0));
  const architectures = action === "reply" ? [vendorClass?.arch ?? ""] : ["i386"];
  // Packets that are well and are ignored all the same: for whom the images are says the sentence alone.
  const restrictions = {
    ...(isIgnored && /model|sysid|system ?id/i.test(why) ? { enabledSystemIds: ["NoSuchMac1,1"] } : {}),
    ...(isIgnored && /\bmac\b|not allowed/i.test(why) ? { disabledMacs: [clientMac(request)] } : {}),
  };
  return {
    serverAddress: server.ip,
    serverName: server.name,
    priority: 32768,
    images: [...new Set(has)].map((id): NetBootImage => {
      return {
        ...imageIdOfNumber(id),
        name: `Image ${id.toString(16)}`,
        bootFile: "nbi/booter",
        architectures,
        ...restrictions,
      };
    }),
    ...(isIgnored && /\bsecs\b|threshold/i.test(why) ? { minimumSeconds: request.secs + 1 } : {}),
  };
}

function optionsOf(request: DhcpPacket): BsdpOptions {
  try {
    return decodeBsdpOptions(optionInstances(request, Option.vendorOptions));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { isOldFirmware: false };
  }
}
