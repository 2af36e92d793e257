import type { SeenServer } from "../dhcp/settings.ts";
import type { Finding } from "./finding.ts";

/** For so long a server that was seen once counts as still there. */
const SEEN_WITHIN_MS = 24 * 3_600_000;

/**
 * Whether our mode of DHCP goes with who else answers on our networks.
 *
 * @param seen undefined where nobody has listened
 */
export function dhcpFindings(
  mode: "proxy" | "proxy-4011" | "full" | "off",
  seen: readonly Pick<SeenServer, "interface" | "server" | "givesAddresses" | "bootFile" | "lastSeenMs">[] | undefined,
  nowMs: number,
): Finding[] {
  const probe = "dhcp";
  if (mode === "off") return [{ probe, status: "skip", detail: "network.dhcp is off: we answer nobody who boots." }];
  if (seen === undefined) return [{ probe, status: "skip", detail: "Nobody has listened for other servers yet." }];
  const now = seen.filter(({ lastSeenMs }) => nowMs - lastSeenMs < SEEN_WITHIN_MS);
  const boots = now
    .filter(({ bootFile }) => bootFile !== null)
    .map(
      ({ interface: on, server, bootFile }): Finding => ({
        probe: `boot server ${server}`,
        status: "fail",
        detail: `${server} on ${on} tells machines to boot ${bootFile === "" || bootFile === null ? "from it" : bootFile}: some will go there instead of here.`,
        fix: `Take options 60, 66 and 67 out of the settings of ${server}, or stop its TFTP service`,
      }),
    );
  const giving = now.filter(({ givesAddresses }) => givesAddresses);
  const names = [...new Set(giving.map(({ server, interface: on }) => `${server} on ${on}`))].join(", ");
  if (mode !== "full") {
    const detail =
      names === "" ? "No DHCP server was heard yet; machines need one beside us." : `Beside the DHCP server ${names}.`;
    return [{ probe, status: names === "" ? "skip" : "ok", detail }, ...boots];
  }
  if (names === "")
    return [{ probe, status: "ok", detail: "We are the DHCP server, and no other was heard." }, ...boots];
  return [
    {
      probe,
      status: "fail",
      detail: `network.dhcp is "full", and so is the DHCP server ${names}: two give out the same addresses.`,
      fix: 'Switch the other one off, or set network.dhcp = "proxy" in /etc/bootcast.toml and "sudo systemctl restart bootcast"',
    },
    ...boots,
  ];
}
