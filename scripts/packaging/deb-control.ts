import type { PackageManifest } from "./manifest.ts";

/** Where all of it lies. */
export const HOME = "usr/lib/bootcast";

/** Nobody reads mail for it: RFC 2606. */
const MAINTAINER = "The bootcast authors <bootcast@bootcast.invalid>";

/** What Node's own build is linked with, in Debian 12 and later. */
const depends = ["libc6 (>= 2.28)", "libgcc-s1", "libstdc++6 (>= 8)"];
/** For what is built or looked at; each command says which of them it misses. */
const recommends = ["iproute2", "passwd", "procps"];
const suggests = ["7zip", "e2fsprogs", "nftables", "partclone", "qemu-utils"];

/** @param architecture in Debian's words: "amd64" */
export function controlText(
  { name, version, description }: PackageManifest,
  architecture: string,
  installedKibibytes: number,
): string {
  return `Package: ${name}
Version: ${version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Section: net
Priority: optional
Installed-Size: ${installedKibibytes}
Depends: ${depends.join(", ")}
Recommends: ${recommends.join(", ")}
Suggests: ${suggests.join(", ")}
Description: boot and re-image a room of machines from the network
${wrapped(description)}
 It answers BSDP, PXE and DHCP boot requests beside the DHCP server that is
 there, and restores one disk image to all machines by one multicast stream.
 .
 Run "bootcast setup" afterwards: it makes the service and its user.
`;
}

/** A paragraph of a description: lines of at most 79 characters, each after a space. */
function wrapped(text: string): string {
  return text.replaceAll(/(.{1,78})(?:\s+|$)/g, " $1\n").trimEnd();
}

/** Debian's own form of a changelog; people read NEWS beside it. */
export function changelogText({ name, version }: PackageManifest, at: Date): string {
  return `${name} (${version}) unstable; urgency=medium

  * See NEWS.md.gz in this folder.

 -- ${MAINTAINER}  ${at.toUTCString().replace("GMT", "+0000")}
`;
}

/** What lintian would say, and why it stays as it is. @param npm npm's name of the architecture: "x64" */
export function lintianOverrides(npm: string): string {
  const node = `[${HOME}/node_modules/node-linux-${npm}/bin/node]`;
  return `# Node is its makers' own build, byte for byte.
bootcast: embedded-library zlib ${node}
bootcast: unstripped-binary-or-object ${node}
bootcast: hardening-no-pie ${node}
# A module with a prebuilt library, as its makers build it.
bootcast: unstripped-binary-or-object [${HOME}/node_modules/lzma-native/prebuilds/*]
# They run in the boot image, which has busybox, and not on this machine.
bootcast: script-not-executable [${HOME}/dist/scripts/boot-image/*]
bootcast: unusual-interpreter /usr/bin/busybox [${HOME}/dist/scripts/boot-image/*]
# The unit is made by "bootcast setup", not by this package.
bootcast: maintainer-script-calls-systemctl [postinst:*]
`;
}

/** The service that setup made goes on with the new files; before setup there is none. */
export const postinst = `#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
  systemctl try-restart bootcast.service || true
fi
`;

/** Before the program goes: without it nobody could take back what setup did. Data stays. */
export const prerm = `#!/bin/sh
set -e
if [ "$1" = remove ]; then
  bootcast uninstall --quiet || true
fi
`;

/** Runs with the Node that came along, whatever the system has. @param npm npm's name of the architecture: "x64" */
export function launcher(npm: string): string {
  return `#!/bin/sh
exec /${HOME}/node_modules/node-linux-${npm}/bin/node /${HOME}/cli/bootcast.cjs "$@"
`;
}

export function copyrightText(license: string): string {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: bootcast

Files: *
Copyright: the bootcast authors
License: Expat
${license
  .trim()
  .split("\n")
  .map((line) => (line.trim() === "" ? " ." : ` ${line}`))
  .join("\n")}
Comment: The packages below /${HOME}/node_modules have their licences beside them.
`;
}
