import { STATE_DIRECTORY, USER } from "./places.ts";

/** In the first line of each file that setup may replace and uninstall may remove. */
export const MADE_BY_SETUP =
  "# Made by bootcast setup. Changes of yours belong in another file: sudo systemctl edit bootcast";

export type UnitFacts = {
  /** The program that runs bootcast, and bootcast's own file: whole paths. */
  readonly node: string;
  readonly launcher: string;
  readonly dataDir: string;
  /** Whether the server can tell systemd how it is: that needs the optional package koffi. */
  readonly canNotify: boolean;
};

/**
 * The systemd unit of the server: a user of its own, two capabilities instead of root, and nothing that can be written
 * but its data.
 */
export function unitText({ node, launcher, dataDir, canNotify }: UnitFacts): string {
  const isInHome = [node, launcher, dataDir].some((path) => /^\/(home|root)\//.test(path));
  const isStandard = dataDir === STATE_DIRECTORY;
  return `${MADE_BY_SETUP}
[Unit]
Description=bootcast: boots a room of machines off the network and re-images them
Wants=network-online.target
After=network-online.target

[Service]
${canNotify ? "Type=notify\nNotifyAccess=main\nWatchdogSec=30" : "Type=exec"}
ExecStart=${quoted(node)} ${quoted(launcher)} serve
# Settings that are wrong are told here, and the server goes on with those that it has.
ExecReload=${quoted(node)} ${quoted(launcher)} config check
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
TimeoutStopSec=15
KillMode=mixed
LimitNOFILE=65536

User=${USER}
Group=${USER}
UMask=0027
${isStandard ? "StateDirectory=bootcast\nStateDirectoryMode=0750" : `ReadWritePaths=${quoted(dataDir)}`}

# Ports below 1024 (DHCP, TFTP), and what is below IP: IGMP queriers, ARP, machines that have no address yet.
AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_RAW
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK AF_PACKET

ProtectSystem=strict
ProtectHome=${isInHome ? "read-only" : "yes"}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: V8 writes the code that it runs.
# Not ProtectProc: whoever holds the image store's locks is looked for in /proc.

[Install]
WantedBy=multi-user.target
`;
}

/** As systemd reads words: systemd.syntax(7), and % is its own. */
function quoted(path: string): string {
  const plain = path.replaceAll("%", "%%");
  return /^[\w@%+=:,./-]+$/.test(plain)
    ? plain
    : `"${plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("$", "$$$$")}"`;
}

/** Buffers for a room of machines that ask in the same moment; the maximum only, programs still ask for what they want. */
export function sysctlText(bytes: number): string {
  return `${MADE_BY_SETUP}\nnet.core.rmem_max = ${bytes}\nnet.core.wmem_max = ${bytes}\n`;
}
