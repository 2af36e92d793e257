import type { Logger } from "pino";
import type { MachineFiles } from "../machine/machine-files.ts";
import type { Tools } from "../machine/tools.ts";

/** What became of the boot entry, for screen and report. `isWarning`: the host may need a hand to start. */
export type BootEntryResult = { readonly detail: string; readonly isWarning: boolean };

export type BootEntryMachine = {
  readonly tools: Tools;
  readonly files: MachineFiles;
  readonly log: Logger;
  readonly mountDirectory: string;
};
