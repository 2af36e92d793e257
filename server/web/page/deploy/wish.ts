import { signal } from "@preact/signals";
import type { DeployRequestBody } from "../../../api/schemas.ts";

/** What somebody wants to deploy, before the plan is made. */
export type DeployWish = {
  /** Ids; none: they are chosen in the dialog. */
  readonly hostIds: readonly string[];
  readonly image?: string;
  readonly version?: number;
  /** An earlier order that is given again: what is not chosen in the dialog stays as it was there. */
  readonly again?: DeployRequestBody;
};

/** The deploy dialog is open for this. */
export const deployWish = signal<DeployWish | undefined>(undefined);
