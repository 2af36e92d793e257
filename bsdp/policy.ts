/**
 * What a machine that asks for boot data should do next.
 *
 * - `agent`: start the agent; it gets the full answer.
 * - `disk`: start from its own disk. iPXE is given the script (which ends with
 *   `exit`), plain firmware is given no boot data and goes on by itself.
 * - `nothing`: give no boot data at all; `reason` is for the log.
 */
export type BootPolicy =
  | { readonly boot: "agent" }
  | { readonly boot: "disk" }
  | { readonly boot: "nothing"; readonly reason: string };
