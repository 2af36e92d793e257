import type { BsdpSilence } from "../../bsdp/bsdp-request.ts";
import type { LeaseSilence } from "../../bsdp/dhcp-leases.ts";
import type { ProxySilence } from "../../bsdp/proxy.ts";

/** What a reason may name. */
export type SilenceFacts = {
  /** The server that the client chose. */
  readonly server?: string;
  readonly isMac?: boolean;
};

export type Silence = {
  /** A sentence without its full stop, with what to do where there is something to do. */
  readonly text: string;
  /** The machine wanted to boot from us and could not. */
  readonly isRefusal: boolean;
};

type Words = (facts: SilenceFacts) => Silence;

/** Nothing is wrong. */
const calm =
  (text: string): Words =>
  () => ({ text, isRefusal: false });

/** The machine wanted something, and there is something to mend. */
const refusal =
  (text: string): Words =>
  () => ({ text, isRefusal: true });

const anotherServer: Words = ({ server }) => ({
  text: server === undefined ? "asked another server" : `asked another server (${server})`,
  isRefusal: false,
});

/** Every reason that the decisions of bsdp/ give. */
const decided: Readonly<Record<BsdpSilence | LeaseSilence | ProxySilence, Words>> = {
  // Whom it is for.
  "not-a-request": calm("it is a server's answer"),
  "not-a-boot-client": calm("it asks for an address only"),
  "not-bsdp": calm("it is no Mac that asks for boot images"),
  "another-server-named": anotherServer,
  "sname-names-another-server": calm("asked another server by its name"),
  "siaddr-names-another-server": calm("asked another server by its address"),
  "request-is-for-the-dhcp-server": ({ server }) => ({
    text: `it accepts the address that the DHCP server ${server ?? "of this network"} offers`,
    isRefusal: false,
  }),
  "chose-local-boot": calm("its own disk was chosen at the machine"),
  "not-bound": calm("no image is set for this Mac, which asks for a list of them next"),
  "no-vendor-options": ({ isMac = false }) => ({
    text: isMac ? "it asks for an address, which the DHCP server of this network gives" : "it asks for nothing",
    isRefusal: false,
  }),
  "asked-too-early": calm("other servers go first: it has not asked for bsdp.minimum_seconds yet"),
  "no-record": calm("it keeps an address that we did not give it: another server may have, so nothing is said"),
  released: calm("it gives its address back"),
  // Why it cannot.
  "no-image": refusal(
    'there is no boot image for Macs: "bootcast boot-image build --nbi", or name a folder in bsdp.nbi',
  ),
  "no-image-for-architecture": refusal("no boot image is for this Mac's processor"),
  "no-image-for-model": refusal("no boot image is for this Mac's model: see what NBImageInfo.plist says of models"),
  "mac-not-allowed": refusal("the boot images are for other Macs: see EnabledMACAddresses in NBImageInfo.plist"),
  "filter-matches-nothing": refusal("it asks for other kinds of boot images than there are"),
  "too-long-for-the-client": refusal(
    "the list of images is longer than it can take: offer fewer, or shorten their names",
  ),
  "no-client-address": refusal("it names no address of its own, so no answer could reach it: did DHCP give it one?"),
  "no-message-type": refusal("it does not say what it wants (no message type): old or broken firmware"),
  "wrong-message-type": refusal("it sent a message that no server answers here"),
  "not-ethernet": refusal("it has no Ethernet address, and only Ethernet is served"),
  "bad-reply-port": refusal("it wants the answer on a port that nothing is sent to (only 1 to 1023)"),
  "bad-version": refusal("it names no version of BSDP that is known (1.0 and 1.1 are)"),
  "old-firmware": refusal("it speaks the BSDP of the first Macs, which is not served: update its firmware"),
  "bad-vendor-options": refusal("its vendor options (43) are broken"),
  "bad-bsdp-message": refusal("it sent a BSDP message that is neither LIST nor SELECT"),
  "no-server-named": refusal("it chose an image without naming a server"),
  bootp: refusal("it speaks BOOTP without DHCP, which is not served"),
  "other-network": refusal("its relay's network has no addresses to give out: add a range of it to network.pool"),
  "addresses-in-use": refusal(
    "machines that did not get them from us use the addresses that are free: give network.pool others",
  ),
  "pool-empty": refusal("no address is free: make network.pool larger, or network.lease_minutes shorter"),
  "nothing-requested": refusal("it accepts an address without saying which"),
  "not-its-address": refusal("it speaks of an address that it does not have here"),
  declined: refusal("another machine uses the address that it was given, which is left alone for 10 minutes"),
};

/** Reasons that are found while a packet is answered. */
const found: Readonly<Record<string, Words>> = {
  "boots its own disk": calm("nothing is ordered for it: boots its own disk"),
  "too-many": calm("it asks more often than is answered in a second; it will ask again"),
  "the host list did not answer within a second": refusal(
    "the host list did not answer within a second: is the server's disk busy or full?",
  ),
  "the host list failed": refusal("the host list could not be read: the server's log says why"),
  "it loaded the same loader again and again": refusal(
    "it loaded the same loader again and again, so it gets nothing for 5 minutes: its screen shows why the loader fails",
  ),
  "the loader's path is longer than 127 bytes": refusal(
    "the loader's path is longer than the 127 bytes that firmware takes: choose a shorter one",
  ),
  "there is no boot file for a Raspberry Pi": refusal(
    "the files of a Raspberry Pi are not in the boot directory: copy its boot partition to rpi/ there",
  ),
  DHCP_TOO_LONG: refusal("the answer is longer than it can take: set fewer network.options"),
};

const patterns: readonly (readonly [RegExp, (match: RegExpExecArray) => string])[] = [
  [
    /^there is no (signed )?boot file for (.*)$/,
    ([, signed = "", platform]) =>
      `there is no ${signed}boot file for ${platform} in the boot directory: bootcast boot-image build`,
  ],
  [
    /^no loader for architecture (.*)$/,
    ([, architecture]) =>
      `there is no loader for architecture ${architecture}; name one in boot.loaders if you have it`,
  ],
  [
    /^architecture (.*) is switched off$/,
    ([, architecture]) => `architecture ${architecture} is switched off in boot.loaders`,
  ],
];

/** Why a packet was not answered, as a technician can use it. What is no code is a sentence already. */
export function silenceInWords(reason: string, facts: SilenceFacts): Silence {
  const words = (decided as Readonly<Record<string, Words>>)[reason] ?? found[reason];
  if (words !== undefined) return words(facts);
  for (const [pattern, text] of patterns) {
    const match = pattern.exec(reason);
    if (match !== null) return { text: text(match), isRefusal: true };
  }
  return { text: reason, isRefusal: true };
}
