import type { CleanUpStep } from "./step.ts";

/** sshd_config(5), HostKey; Mac OS X had them in /etc itself. */
const hostKey = /^(private\/)?etc\/(ssh\/)?ssh_host_(\w+_)?key(\.pub)?$/;

export const sshHostKeys: CleanUpStep = {
  name: "ssh-host-keys",
  does: 'Removes the SSH host keys, which must not be the same on two machines ("ssh-keygen -A" makes new ones).',
  on: ({ path, kind }) => (kind !== "folder" && hostKey.test(path) ? "remove" : undefined),
};
