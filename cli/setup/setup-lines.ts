import { formatSize } from "../../agent/disk/sizes.ts";
import { addressNumber } from "../../bsdp/address.ts";
import type { Facts, Network } from "./facts.ts";
import type { SetupPlan, Step } from "./plan.ts";

/** What is left for the person to do. */
export function lastLines(
  { steps }: SetupPlan,
  state: {
    readonly isDry: boolean;
    readonly facts: Facts;
    readonly links: readonly string[];
    readonly isRunning: boolean;
  },
): string[] {
  const { isDry, facts, links, isRunning } = state;
  if (isDry)
    return [
      row("Nothing", `was changed. ${steps.length} ${steps.length === 1 ? "step is" : "steps are"} left to be done.`),
    ];
  const lines: string[] = [];
  if (!facts.isBootImageThere && !steps.some((step) => step.do === "build")) {
    lines.push(row("Boot image", "none yet: sudo bootcast boot-image build"));
  }
  if (!isRunning) {
    lines.push(row("Start", "sudo bootcast serve (systemd does not run here)"));
    lines.push(row("Then", "sudo bootcast user link   for the first password"));
  }
  for (const link of links) lines.push(row("Open", `${link}   to choose a password`));
  lines.push(row("Next", "start a PC with network boot, or a Mac with N held down; it appears in: bootcast host list"));
  lines.push(row("Check", "sudo bootcast doctor"));
  return lines;
}

export function networkLines(networks: readonly Network[]): string[] {
  return networks.map(({ name, address, netmask, dhcpServer }) => {
    const beside =
      dhcpServer === "unknown"
        ? "whether a DHCP server answers is seen as root"
        : dhcpServer === undefined
          ? 'no DHCP server answers: machines need one, or set network.dhcp = "full"'
          : `DHCP server ${dhcpServer} (kept; bootcast only adds boot answers)`;
    return row("Network", `${name}  ${address}/${prefixOf(netmask)}, ${beside}`);
  });
}

/** A step's label and what it did, or would do. */
export function told(step: Step, isDry: boolean): [label: string, text: string] {
  const make = isDry ? "Would make" : "Made";
  switch (step.do) {
    case "user":
      return [make, `user ${step.name}, without a password and without rights`];
    case "write":
      return [make, `${step.path}: ${step.why}`];
    case "data":
      return [isDry ? "Would give" : "Given", `${step.path} to the user bootcast`];
    case "tune":
      return [isDry ? "Would set" : "Set", `net.core.rmem_max and wmem_max to ${formatSize(step.bytes)}`];
    case "build":
      return [isDry ? "Would build" : "Built", "the boot image"];
    case "start":
      return [isDry ? "Would start" : "Started", "bootcast.service, now and at every start of this machine"];
  }
}

/** A word in its column, and what is to be said. */
export function row(label: string, text: string): string {
  return `${label.padEnd(12)} ${text}`;
}

function prefixOf(netmask: string): number {
  return addressNumber(netmask).toString(2).replaceAll("0", "").length;
}
