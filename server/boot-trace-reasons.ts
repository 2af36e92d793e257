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

const other = ({ server }: SilenceFacts) => (server === undefined ? "another server" : `another server (${server})`);

/** Not answered because there is nothing to answer. */
const calm: Readonly<Record<string, string | ((facts: SilenceFacts) => string)>> = {
  "boots its own disk": "nothing is ordered for it: boots its own disk",
  "request-is-for-the-dhcp-server": "it accepts the address of the site's DHCP server, which answers that",
  "another-server-named": (facts) => `asked ${other(facts)}`,
  "sname-names-another-server": "asked another server by name",
  "siaddr-names-another-server": "asked another server by address",
  "chose-local-boot": "local boot was chosen at the machine",
  "not-bound": "a Mac's first question for an address; it asks for boot images by INFORM",
  "no-vendor-options": ({ isMac = false }) =>
    isMac ? "a Mac's question for an address, which is the site's DHCP server's to give" : "nothing is asked in it",
  released: "gives its address back",
  "too-many": "it asks more than 10 times a second; the rest is not answered",
};

/** The machine wanted something, and there is something to mend. */
const refusals: Readonly<Record<string, string | ((facts: SilenceFacts) => string)>> = {
  "the host list did not answer within a second":
    "the host list did not answer within a second: is the server's disk busy or full?",
  "the host list failed": "the host list could not be read: the server's log says why",
  "it loaded the same loader again and again":
    "it loaded the same loader again and again, so it gets nothing for 5 minutes: look at its screen for what the loader says",
  "the loader's path is longer than 127 bytes":
    "the loader's path is longer than 127 bytes, which firmware cannot take: choose a shorter one",
  "there is no boot file for a Raspberry Pi":
    "the files for a Raspberry Pi are not in the boot directory (rpi/): put them there",
  "no-image": "there is no boot image for this Mac: its model, kind or filter fits none that is served",
  "no-client-address": "it says no address of its own, so no answer could reach it: does the DHCP server give it one?",
  "no-message-type": "it does not say what it wants (no message type): old or broken firmware",
  "wrong-message-type": "a message that a server does not answer",
  "not-ethernet": "it has no Ethernet address: other networks are not served",
  "bad-reply-port": "it wants the answer on a port that we do not send to (only 1 to 1023)",
  "bad-version": "it speaks a version of BSDP that nobody knows",
  "old-firmware": "its firmware speaks BSDP 0, which is not served: update the Mac's firmware",
  "bad-vendor-options": "its vendor options (43) are broken",
  "bad-bsdp-message": "an unknown BSDP message",
  "no-server-named": "it chose an image and no server",
  bootp: "it speaks BOOTP without DHCP, which is not served",
  "other-network": "its relay is in a network that no pool is for: set network.pool to a range of that network",
  "pool-empty": "no address is free: make network.pool larger, or network.lease_minutes shorter",
  "nothing-requested": "it asks for no address",
  "not-its-address": "it speaks of an address that it does not have here",
  declined: "somebody else uses the address that it was given; the address is left alone for 10 minutes",
  DHCP_TOO_LONG: "the answer is longer than the machine can take: give fewer network.options",
};

/** Why a packet was not answered, as a technician can use it. What is no code is a sentence already. */
export function silenceInWords(reason: string, facts: SilenceFacts): Silence {
  const isCalm = reason in calm;
  const words = isCalm ? calm[reason] : refusals[reason];
  if (words !== undefined) return { text: typeof words === "string" ? words : words(facts), isRefusal: !isCalm };
  const missing = /^there is no (signed )?boot file for (.*)$/.exec(reason);
  if (missing !== null) {
    const [, signed = "", platform] = missing;
    return {
      text: `there is no ${signed}boot file for ${platform} in the boot directory: bootcast boot-image build`,
      isRefusal: true,
    };
  }
  const architecture = /^no loader for architecture (.*)$/.exec(reason)?.[1];
  if (architecture !== undefined) {
    return {
      text: `there is no loader for architecture ${architecture}: name one in boot.loaders, if you have it`,
      isRefusal: true,
    };
  }
  return { text: /^[a-z]+(-[a-z]+)+$/.test(reason) ? reason.replaceAll("-", " ") : reason, isRefusal: true };
}
