/**
 * What a machine that asks for boot data should do next.
 *
 * - `agent`: start the agent; it gets the full answer.
 * - `disk`: start from its own disk. iPXE is given the script (which ends with
 *   `exit`), plain firmware is given no boot data and goes on by itself.
 * - `menu`: a person at the machine chooses, and after a while the disk is
 *   started. Plain firmware gets the same loader as for `agent`.
 * - `nothing`: give no boot data at all; `reason` is for the log.
 */
export type BootPolicy =
  | {
      readonly boot: "agent" | "disk" | "menu";
      /** Firmware checks signatures: give the loaders of `BootFiles.secureLoaders`. */
      readonly secureBoot?: boolean;
      /** Path below the boot directory: this machine's loader, instead of the one for its kind. */
      readonly loader?: string;
    }
  | { readonly boot: "nothing"; readonly reason: string };
