import type { CommandEntry } from "../../cli/command-entry.ts";

/** What `man bootcast` shows, as roff: the commands by what they are for, exit codes, files. */
export function manualPage(commands: readonly CommandEntry[], version: string): string {
  const groups = [...Map.groupBy(commands, ({ group }) => group)].map(([group, entries]) =>
    [
      `.SS ${roff(group)}`,
      ...entries.map(({ name, summary }) => `.TP\n.B ${roff(`bootcast ${name}`)}\n${roff(summary)}`),
    ].join("\n"),
  );
  return `.TH BOOTCAST 1 "" "bootcast ${version}"
.SH NAME
bootcast \\- boot and re\\-image a room of machines from the network
.SH SYNOPSIS
.B bootcast
.I command
[\\fIoption\\fR ...]
.SH DESCRIPTION
Boots machines off the network beside the DHCP server that is there, and restores one disk image to all of them by one
multicast stream.
.B sudo bootcast setup
makes this machine a server and prints the address of its pages, which have the whole documentation below
.IR /help .
.B bootcast
.I command
.B \\-\\-help
begins with examples.
.SH COMMANDS
${groups.join("\n")}
.SH EXIT STATUS
0 done; 1 failed; 2 wrong usage; 3 some hosts failed; 5 refused by a safety check; 10 no server answers; 11 not
permitted; 130 interrupted. Any other code is a failure, too.
.SH FILES
.TP
.I /etc/bootcast.toml
the settings; none is needed
.TP
.I /var/lib/bootcast
images, keys and the database
`;
}

function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}
