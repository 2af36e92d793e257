/** What the boot loader told the agent on the kernel's command line. */
export type KernelArguments = {
  /** `bootcast.server=http://10.0.0.1:8440`: where the server is; absent means: find it by mDNS. */
  readonly server: URL | undefined;
  /** `BOOTIF=01-52-54-00-12-34-56` (PXELINUX's spelling): the card that booted, lower case with colons. */
  readonly bootMac: string | undefined;
  /** `bootcast.enrol=…`: the enrolment token that the server's boot text, or a stick, has for this machine. */
  readonly enrolment: string | undefined;
};

/**
 * Reads /proc/cmdline. Words that we do not know are the kernel's own; words of
 * ours that cannot be read are left out, so that a typing error in a boot menu
 * ends in "find it by mDNS" and not in a dead machine.
 */
export function parseKernelArguments(commandLine: string): KernelArguments {
  let server: URL | undefined;
  let bootMac: string | undefined;
  let enrolment: string | undefined;
  for (const word of commandLine.split(/\s+/)) {
    const [name, value] = splitOnce(word);
    if (name === "bootcast.server") server = httpUrl(value) ?? server;
    if (name === "bootcast.enrol") enrolment = enrolmentToken(value) ?? enrolment;
    if (name === "BOOTIF") bootMac = macOf(value) ?? bootMac;
  }
  return { server, bootMac, enrolment };
}

/** A token as a command line or a file has it; undefined for what can be none. */
export function enrolmentToken(text: string): string | undefined {
  const token = text.trim();
  return /^[A-Za-z0-9_-]{16,200}$/.test(token) ? token : undefined;
}

function splitOnce(word: string): [string, string] {
  const at = word.indexOf("=");
  return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
}

function httpUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  return url !== null && (url.protocol === "http:" || url.protocol === "https:") ? url : undefined;
}

// The first octet is the ARP hardware type (01 = Ethernet); iPXE scripts often leave it out and use colons.
function macOf(text: string): string | undefined {
  const octets = text.toLowerCase().split(/[-:]/);
  const mac = octets.slice(-6);
  const isMac = (octets.length === 6 || (octets.length === 7 && octets[0] === "01")) && mac.every(isOctet);
  // No card has a group address: six octets that begin with 01 are a type and a cut-off address.
  const isGroup = (Number.parseInt(mac[0] ?? "", 16) & 1) === 1;
  return isMac && !isGroup ? mac.join(":") : undefined;
}

function isOctet(text: string): boolean {
  return /^[0-9a-f]{2}$/.test(text);
}
