import { applyChanges, type Identity, type IdentityModule, type Plan } from "./change.ts";
import type { FileTree } from "./file-tree.ts";
import { PlannedTree } from "./planned-tree.ts";
import { VolumeFiles } from "./volume-files.ts";

/** What one module would do to one system. */
export type ModulePlan = Plan & { readonly module: string };

/**
 * What all modules would do, in their order, each to the volume as those before it would leave it. Carrying out the
 * changes one after the other does exactly that. The volume is only read. A module that found nothing of its kind is
 * not among the plans.
 */
export async function planVolume(
  tree: FileTree,
  modules: readonly IdentityModule[],
  identity: Identity,
): Promise<ModulePlan[]> {
  const planned = new VolumeFiles(new PlannedTree(tree));
  const plans: ModulePlan[] = [];
  for (const module of modules) {
    const plan = await module.plan(planned, identity);
    if (plan === undefined) continue;
    await applyChanges(planned, plan.changes);
    plans.push({ module: module.name, ...plan });
  }
  return plans;
}
