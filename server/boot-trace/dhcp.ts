import { decodeBsdpOptions } from "../../bsdp/bsdp-options.ts";
import type { DhcpPacket } from "../../bsdp/dhcp-packet.ts";
import { clientMac, optionAddress, optionData, optionInstances } from "../../bsdp/dhcp-packet.ts";
import { MessageType, messageTypeName, messageTypeOf, Option } from "../../bsdp/dhcp-values.ts";
import type { PxeClient } from "../../bsdp/pxe-client.ts";
import { pxeClientOf } from "../../bsdp/pxe-client.ts";
import { parseBsdpVendorClass } from "../../bsdp/vendor-class.ts";
import { Fault } from "../../fault.ts";
import type { BootClients } from "../dhcp/boot-clients.ts";
import type { BootTraceEntry } from "./boot-trace.ts";
import { silenceInWords } from "./reasons.ts";

/** What the answerer knows about its answer, as it tells the log. */
export type AnswerFacts = {
  readonly file?: unknown;
  /** Full mode: the address that it was given. */
  readonly address?: unknown;
  /** Why it was refused (NAK). */
  readonly why?: unknown;
  /** Why there is no boot data in the answer. */
  readonly noBoot?: unknown;
  /** How many images a BSDP list has. */
  readonly images?: unknown;
};

type Question = Pick<BootTraceEntry, "mac" | "service" | "asked" | "detail"> & { readonly client?: string };

/** The entry of a packet that was answered; undefined for one that has nothing to do with booting. */
export function answeredEntry(request: DhcpPacket, answered: string, facts: AnswerFacts): BootTraceEntry | undefined {
  const question = questionOf(request);
  // The machines that run renew their addresses all day.
  if (question.detail?.["is"] === undefined && request.ciaddr !== "0.0.0.0" && answered === "ACK") return undefined;
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  const images = typeof facts.images === "number" ? `${facts.images} ${facts.images === 1 ? "image" : "images"}` : "";
  // A NAK gives nothing, whatever there would have been to boot.
  const file = facts.why === undefined ? text(facts.file) : undefined;
  // A Raspberry Pi is told no file: it knows the names of its own.
  const menu = question.detail?.["is"] === "raspberry" && facts.file === "" ? "Raspberry Pi Boot" : undefined;
  const given = [text(facts.address), file, menu, text(images)].filter((part) => part !== undefined);
  const refusal = refusalOf(request, answered, facts);
  return {
    ...question,
    answered: [bsdpAnswer(answered), given.join(", ")].join(" ").trim(),
    ...refusal,
    detail: { ...question.detail, ...(file === undefined ? {} : { file }) },
  };
}

/** The entry of a packet that was not answered. */
export function silentEntry(request: DhcpPacket, reason: string): BootTraceEntry {
  const question = questionOf(request);
  const { text, isRefusal } = silenceInWords(reason, { ...namesIn(request), isMac: question.detail?.["is"] === "mac" });
  return { ...question, reason: text, ...(isRefusal ? { isRefusal } : {}) };
}

/** Remembers the address that a packet says its sender has, or is about to have. */
export function learnAddress(clients: BootClients, request: DhcpPacket): void {
  const type = messageTypeOf(request);
  if (type !== MessageType.request && type !== MessageType.inform) return;
  const isApple = type === MessageType.inform && appleClass(request) !== undefined;
  const asked = type === MessageType.request ? optionAddress(request, Option.requestedAddress) : undefined;
  const address = request.ciaddr === "0.0.0.0" ? asked : request.ciaddr;
  if (address !== undefined) clients.saw(clientMac(request), address, isApple);
}

function refusalOf(
  request: DhcpPacket,
  answered: string,
  facts: AnswerFacts,
): Pick<BootTraceEntry, "reason" | "isRefusal"> {
  // Not a refusal to boot: it asks for another address and goes on.
  if (typeof facts.why === "string") return { reason: `it is told "${facts.why}", and asks anew` };
  if (answered === "BSDP FAILED") {
    const { image } = namesIn(request);
    return { reason: `${image ?? "the image that it chose"} is not served to it; choose again there`, isRefusal: true };
  }
  if (typeof facts.noBoot !== "string") return {};
  const { text, isRefusal } = silenceInWords(facts.noBoot, {});
  return { reason: `an address and no boot file: ${text}`, ...(isRefusal ? { isRefusal } : {}) };
}

function questionOf(request: DhcpPacket): Question {
  const name = messageTypeName(messageTypeOf(request));
  const isInform = messageTypeOf(request) === MessageType.inform;
  const apple = appleClass(request);
  const client = pxeClientOf(request);
  const relay = request.giaddr === "0.0.0.0" ? {} : { relay: request.giaddr };
  const common = { mac: clientMac(request), ...(request.ciaddr === "0.0.0.0" ? {} : { client: request.ciaddr }) };
  if (apple !== undefined) {
    const { message, image } = namesIn(request);
    const chosen = message === "SELECT" && image !== undefined ? ` ${image}` : "";
    const asked = isInform && message !== undefined ? `INFORM[${message}]${chosen}` : name;
    const detail = { is: "mac", platform: apple.systemId === "" ? "Mac" : `Mac ${apple.systemId}`, ...relay };
    return { ...common, service: isInform ? "bsdp" : "dhcp", asked, detail };
  }
  if (client === undefined) return { ...common, service: "dhcp", asked: name, detail: relay };
  const file = request.file === "" ? {} : { wanted: request.file };
  const detail = { is: client.kind, platform: platformInWords(client), ...file, ...relay };
  return { ...common, service: "pxe", asked: name, detail };
}

const kinds: Partial<Readonly<Record<PxeClient["kind"], string>>> = {
  ours: "our iPXE",
  ipxe: "iPXE",
  "small-ipxe": "iPXE without HTTP",
  raspberry: "Raspberry Pi",
};

const architectures: Readonly<Record<number, string>> = {
  0: "BIOS",
  6: "UEFI ia32",
  7: "UEFI x64",
  9: "UEFI x64",
  11: "UEFI arm64",
  15: "UEFI ia32 by HTTP",
  16: "UEFI x64 by HTTP",
  17: "UEFI x64 by HTTP",
  19: "UEFI arm64 by HTTP",
  20: "BIOS by HTTP",
  22: "U-Boot arm64",
  24: "U-Boot arm64 by HTTP",
};

/** What asks to boot, as a person calls it: "UEFI x64", "BIOS", "iPXE". */
export function platformInWords({ kind, architecture }: Pick<PxeClient, "kind" | "architecture">): string {
  return (
    kinds[kind] ??
    (architecture === undefined
      ? "unknown architecture"
      : (architectures[architecture] ?? `architecture ${architecture}`))
  );
}

// A Mac's own packets say what it is; "AAPLBSDPC" alone is a server's.
function appleClass(request: DhcpPacket) {
  const data = optionData(request, Option.vendorClass);
  return data === undefined ? undefined : parseBsdpVendorClass(data);
}

/** The server that a client named, and what its BSDP part says. */
function namesIn(request: DhcpPacket): { server?: string; message?: string; image?: string } {
  const named = optionAddress(request, Option.serverId);
  const fromOption = named === undefined ? {} : { server: named };
  if (appleClass(request) === undefined) return fromOption;
  try {
    const { messageType, serverId, selectedImage } = decodeBsdpOptions(optionInstances(request, Option.vendorOptions));
    const message = messageType === 1 ? "LIST" : messageType === 2 ? "SELECT" : undefined;
    return {
      ...fromOption,
      ...(serverId === undefined ? {} : { server: serverId }),
      ...(message === undefined ? {} : { message }),
      ...(selectedImage === undefined ? {} : { image: `image 0x${selectedImage.toString(16).padStart(8, "0")}` }),
    };
  } catch (error) {
    if (error instanceof Fault) return fromOption;
    throw error;
  }
}

const bsdpAnswers: Readonly<Record<string, string>> = {
  "BSDP LIST": "ACK[LIST]",
  "BSDP SELECT": "ACK[SELECT]",
  "BSDP FAILED": "ACK[FAILED]",
  "BSDP OFFER": "OFFER",
};

function bsdpAnswer(answered: string): string {
  return bsdpAnswers[answered] ?? answered;
}
