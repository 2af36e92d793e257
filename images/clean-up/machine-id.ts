import type { CleanUpStep } from "./step.ts";

export const machineId: CleanUpStep = {
  name: "machine-id",
  does: "Empties /etc/machine-id, so that every machine gets its own at its first start.",
  on({ path, kind }) {
    if (kind !== "file") return undefined;
    // An empty file, not none: then systemd makes one even where /etc is read-only at first (machine-id(5)).
    if (path === "etc/machine-id") return "empty";
    return path === "var/lib/dbus/machine-id" ? "remove" : undefined;
  },
};
